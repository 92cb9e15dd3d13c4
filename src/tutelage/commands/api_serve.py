"""The function of the Python API that serves a model on this machine."""

from __future__ import annotations

from pathlib import Path

from tutelage.commands.api_guard import guarded
from tutelage.commands.run import Run
from tutelage.commands.serve import ServeConfig, serve_model
from tutelage.core.console import screen


@guarded
def serve(
    run: str | Path | Run,
    *,
    port: int | None = None,
    network: str = "auto",
    device: str = "auto",
    workers: int = 2,
    browser: bool = True,
    quiet: bool = False,
) -> None:
    """Serve a page to drop images on, and an endpoint for programs; both answer with classes and probabilities.

    Only this machine can reach it. It returns when it is interrupted (Ctrl+C, or "interrupt" in a notebook), once what
    was accepted is answered. Nothing that is sent is stored. The extra `web` must be installed.

    Args:
        run: a run that classifies images, or a folder, a file or a name on the Hugging Face Hub, as in `load`.
        port: 8766, or one that is free, unless given.
        network: "student", "teacher", or "auto" for the one that the method evaluates.
        workers: threads that decode images.
        browser: open the page in a browser.
        quiet: do not print the address of the page.

    Raises:
        TutelageError: a setting or the run is invalid, it predicts no classes of images, or the port is in use.
    """
    path = run.path if isinstance(run, Run) else Path(run)
    cfg = ServeConfig(run=path, port=port, network=network, device=device, workers=workers, browser=browser)
    serve_model(cfg, console=screen(quiet=quiet))
