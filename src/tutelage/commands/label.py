"""The command label: a page in the browser on which a person labels images, and a model sorts the rest."""

from __future__ import annotations

import glob
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tutelage.commands.select import require_folder
from tutelage.config.settings import require
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError
from tutelage.core.files import require_ending
from tutelage.core.names import counted, shown
from tutelage.core.web.server import listen, open_browser, require_packages, serve
from tutelage.core.wording import command, named, option
from tutelage.curation.labeling.classes import checked_class
from tutelage.curation.labeling.journal import Journal
from tutelage.curation.labeling.session import LabelingSession
from tutelage.curation.pile import Pile, gather
from tutelage.curation.web.actions import Actions
from tutelage.curation.web.app import labeling_app
from tutelage.data.images.label_files import EXPORTS, is_export


@dataclass(frozen=True, kw_only=True)
class LabelConfig:
    """What is labeled, and where the page is.

    Attributes:
        data: a folder of images.
        labels: the label table to write and to go on with; or an export of another tool, which is read only, while the
            table is a CSV file of the same name beside it.
        classes: names to begin with, beside those of labels that are known.
        run: whose features are used; None takes those of the pretrained network.
        host, port: where the page is served; port None is 8765, or one that is free.
        browser: open the page.
        ignore_folders: folders are no classes.
    """

    data: str
    labels: Path = Path("labels.csv")
    classes: Sequence[str] = ()
    run: Path | None = None
    host: str = "127.0.0.1"
    port: int | None = None
    browser: bool = True
    ignore_folders: bool = False
    seed: int = 0
    workers: int = 2

    def __post_init__(self) -> None:
        require(self.port is None or 1 <= self.port <= 65535, named("port"), "in [1, 65535]", self.port)
        require_ending(self.labels, (".csv", *EXPORTS))
        for number, name in enumerate(self.classes):
            try:
                checked_class(name, self.classes[:number])
            except ConfigError as error:
                raise ConfigError(f"{named('classes')}: {error}") from None

    @property
    def table(self) -> Path:
        """The label table to write."""
        return self.labels.with_suffix(".csv") if is_export(self.labels) else self.labels

    @property
    def known(self) -> Path:
        """The file that has the labels now: that of another tool, before the first answer."""
        return self.table if self.table.exists() or not is_export(self.labels) else self.labels


def label_images(cfg: LabelConfig, *, console: Console) -> None:
    """Serve the page until Ctrl+C. Each answer is in the label table before the page shows it as saved.

    Raises:
        TutelageError: a setting, the data or the run is invalid, the port is in use, or another process has the table
            open.
        Interrupted: SIGTERM.
    """
    require_packages("labeling in a browser")
    require_folder(cfg.data)
    bound, address = listen(cfg.host, cfg.port)
    with bound, Journal(cfg.table) as journal:
        session = _session(cfg, journal, console)
        try:
            token = secrets.token_urlsafe(24)
            url = address.url(token)
            app = labeling_app(Actions(session, journal.path), address, token)
            _say_where(cfg, session, url, local=address.is_local, console=console)
            serve(app, bound, started=_opener(url) if cfg.browser else _nothing)
        finally:
            session.close()
    _say_what_next(cfg, session, console)


def _session(cfg: LabelConfig, journal: Journal, console: Console) -> LabelingSession:
    settings = {"data.path": cfg.data, "train.seed": cfg.seed}
    if journal.said:  # with the labels of an export, since the first answer
        settings["data.labels"] = str(cfg.table)
    elif is_export(cfg.labels):
        settings["data.labels"] = str(cfg.labels)

    def gathered(run: Path | None, console: Console) -> Pile:
        return gather(settings, run=run, ignore_folders=cfg.ignore_folders, workers=cfg.workers, console=console)

    pile = gathered(cfg.run, console)
    console.print(f"- {counted(len(pile), 'image')}; compared by {pile.described}", markup=False)
    return LabelingSession(
        pile,
        journal,
        classes=cfg.classes,
        seed=cfg.seed,
        data=cfg.data,
        gather=lambda run: gathered(run, screen(quiet=True)),
    )


def _say_where(cfg: LabelConfig, session: LabelingSession, url: str, *, local: bool, console: Console) -> None:
    known = session.state()["labeled"]
    begun = f", begun with {known:,} of {cfg.known}" if known and cfg.known != cfg.table else f", which has {known:,}"
    console.print(f"- labels: {cfg.table}" + (begun if known else ""), markup=False)
    if strangers := session.strangers:
        rows = counted(len(strangers), "row")
        console.print(
            f"warning: {rows} of {cfg.table} {'is' if len(strangers) == 1 else 'are'} about no image of {cfg.data} "
            f"(first: {shown(strangers[0])}): the other commands refuse such a table",
            markup=False,
        )
    if cfg.run is None and (runs := _trained_before(cfg.table)):
        console.print(
            f"- trained before: {runs[-1]}; {option('run', runs[-1])} goes on with its features", markup=False
        )
    if not local:
        console.print(
            f"- other machines can reach this page, as {named('host')} is {cfg.host}; who has the address can label, "
            "and whoever listens in on the network can see it",
            markup=False,
        )
    console.print(f"label here, and end with Ctrl+C: {url}", markup=False)


def _trained_before(table: Path) -> list[Path]:
    """The finished runs that the page has trained on a label table, the newest last."""
    found = table.absolute().parent.glob(f"{glob.escape(table.stem)}-run*/result.json")
    return [table.with_name(file.parent.name) for file in sorted(found, key=lambda file: file.stat().st_mtime)]


def _say_what_next(cfg: LabelConfig, session: LabelingSession, console: Console) -> None:
    state = session.state()
    console.print(f"{counted(state['labeled'], 'label')} in {cfg.known}", markup=False)
    if state["labeled"]:
        console.print(f"Next: {command('train', cfg.data, labels=cfg.known, out='RUN')}", markup=False)


def _opener(url: str) -> Callable[[], None]:
    return lambda: open_browser(url)


def _nothing() -> None:
    """Nobody wants a browser."""
