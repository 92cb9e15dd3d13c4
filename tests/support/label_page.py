"""A small pile to label, its session, and the page of it behind a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from PIL import Image
from rich.console import Console

from support.pictures import pictures
from tutelage.core.web.guard import Address
from tutelage.core.web.server import listen
from tutelage.curation.labeling.journal import Journal
from tutelage.curation.labeling.session import LabelingSession
from tutelage.curation.pile import gather
from tutelage.curation.web.actions import Actions
from tutelage.curation.web.app import labeling_app

TOKEN = "the-token-of-the-tests"
CLASSES = ("red", "green", "blue")


def write_photos(folder: Path, count: int, *, names: Sequence[str] = ()) -> Path:
    """Pictures of three kinds, called 00-red.png, ... where `names` gives no other name; a folder."""
    folder.mkdir(parents=True)
    for number, image in enumerate(pictures(count, 0)[0][:, :16, :16]):
        name = names[number] if number < len(names) else f"{number:02d}-{CLASSES[number % 3]}.png"
        Image.fromarray(image).save(folder / name)
    return folder


def open_session(folder: Path, table: Path, classes: Sequence[str] = CLASSES) -> LabelingSession:
    """The session of a folder of images; it has the table open until it is closed."""
    pile = gather({"data.path": str(folder)}, console=Console(quiet=True))
    return LabelingSession(pile, Journal(table), classes=classes, data=str(folder))


@dataclass(frozen=True)
class Served:
    """A page that is served."""

    session: LabelingSession
    address: Address
    table: Path

    @property
    def url(self) -> str:
        return self.address.url(TOKEN)


@contextmanager
def serving(session: LabelingSession, table: Path) -> Iterator[Served]:
    """The page of a session, served in a thread."""
    bound, address = listen("127.0.0.1", None)
    app = labeling_app(Actions(session, table), address, TOKEN)
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield Served(session, address, table)
    finally:
        server.should_exit = True
        thread.join(10)
        bound.close()
