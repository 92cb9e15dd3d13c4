"""The command serve: a page to drop images on, and an endpoint for programs, with the classes that a model predicts."""

from __future__ import annotations

import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tutelage.config.settings import require
from tutelage.core.errors import ConfigError
from tutelage.core.names import counted, enumerated, shown
from tutelage.core.web.guard import Address
from tutelage.core.web.server import listen, open_browser, require_packages, serve
from tutelage.core.wording import command, named
from tutelage.data.kinds import IMAGES
from tutelage.inference.hub import local_folder
from tutelage.inference.images.model import Model
from tutelage.inference.serving.app import serving_app
from tutelage.inference.serving.batcher import batching
from tutelage.inference.serving.limits import SHUTDOWN
from tutelage.run.run_record import RunRecord

PORT = 8766
_SHOWN = 6  # classes in a line


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """What is served, and where.

    Attributes:
        run: a run folder, or an exported model that `tutelage.load` takes.
        port: None is 8766, or one that is free.
        network: "student", "teacher", or "auto" for the one that the method evaluates.
        workers: threads that decode images.
        browser: open the page.
    """

    run: Path
    port: int | None = None
    network: str = "auto"
    device: str = "auto"
    workers: int = 2
    browser: bool = True

    def __post_init__(self) -> None:
        require(self.port is None or 1 <= self.port <= 65535, named("port"), "in [1, 65535]", self.port)
        require(0 <= self.workers <= 256, named("workers"), "in [0, 256]", self.workers)


def serve_model(cfg: ServeConfig, *, console: Console) -> None:
    """Serve the page and the endpoint until Ctrl+C. What was accepted is answered before the end.

    Raises:
        TutelageError: a setting or the run is invalid, it predicts no classes of images, or the port is in use.
        Interrupted: SIGTERM.
    """
    require_packages("serving a model", "python-multipart")
    run = local_folder(cfg.run)
    _refuse_others(run)
    bound, address = listen("127.0.0.1", cfg.port, PORT)
    with bound:
        model = Model.load(run, network=cfg.network, device=cfg.device)
        model.require_classes()
        model.get_ready()
        token = secrets.token_urlsafe(24)
        _say_where(cfg, model, address, token, console)
        with batching(model, workers=cfg.workers) as batcher:
            app = serving_app(model, batcher, address, token)
            opened = address.url(token) if cfg.browser else None
            serve(app, bound, started=lambda: _open(opened), most_connections=None, patience=SHUTDOWN)


def _refuse_others(run: Path) -> None:
    """Raise ConfigError if a run is not on images, before anything is loaded."""
    kind = RunRecord(run).kind
    if kind is not IMAGES:
        others = f"{command('serve')} is for classes of images; {command('predict')} writes masks"
        raise ConfigError(f"{run} segments {kind.name}: {others}")


def _open(url: str | None) -> None:
    if url is not None:
        open_browser(url)


def _say_where(cfg: ServeConfig, model: Model, address: Address, token: str, console: Console) -> None:
    names = [shown(name) for name in model.classes[:_SHOWN]]
    more = f", ... ({len(model.classes)} in all)" if len(model.classes) > _SHOWN else ""
    said = ", ".join(names) + more if more else enumerated(names)
    console.print(f"- {cfg.run}: {counted(len(model.classes), 'class', 'classes')}, {said}")
    url = address.url(token).partition("/#")[0]
    console.print(f"- for programs: {curl(url, token)}")
    console.print(f"- described in {url}/openapi.json")
    console.print(f"drop images here, and end with Ctrl+C: {address.url(token)}")


def curl(url: str, token: str) -> str:
    """A command line that asks the endpoint for the class of photo.jpg."""
    return shlex.join(["curl", "-H", f"X-Tutelage-Token: {token}", "-F", "image=@photo.jpg", f"{url}/api/predict"])
