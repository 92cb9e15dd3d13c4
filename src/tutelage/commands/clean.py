"""The command clean: what is wrong with a pile of images, as a table, a page with pictures, and a cleaned list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from tutelage.core.errors import ConfigError, DataError
from tutelage.core.files import refuse_file, write_atomically
from tutelage.core.inputs import user_path
from tutelage.core.names import counted, shown
from tutelage.core.precision import float32_by_default
from tutelage.core.seeding import own_random_state
from tutelage.core.wording import command, named
from tutelage.curation.cleaning.cleaned_list import cleaned_list
from tutelage.curation.cleaning.faults import Fault, fault_table, summary
from tutelage.curation.cleaning.find import find_faults
from tutelage.curation.cleaning.page import cleaning_page, page_beside
from tutelage.curation.cleaning.pictures import Looker, Pictures, list_scored, look_at_all
from tutelage.curation.listing import list_pile
from tutelage.curation.pile import gather
from tutelage.data.images.source import is_archive
from tutelage.data.kinds import IMAGES, recognize_kind
from tutelage.results.report.write import refuse_page, write_page
from tutelage.run.reads import read_by, read_of_run
from tutelage.run.resolve import resolve_training


@dataclass(frozen=True, kw_only=True)
class CleanConfig:
    """What is looked at.

    Attributes:
        data: a source of images.
        labels: a label table; None takes the one in `data`, or the one that the run was trained with.
        val, test: sources of images that score; None takes the splits of `data`.
        run: whose features are used; None takes those of the pretrained network.
    """

    data: str
    labels: str | None = None
    val: str | None = None
    test: str | None = None
    run: Path | None = None
    workers: int = 2

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the data, by dotted name."""
        given = {"path": self.data, "labels": self.labels, "val": self.val, "test": self.test}
        return {f"data.{name}": value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Cleaning:
    """What was found, and what images were compared by."""

    faults: list[Fault]
    pictures: Pictures
    described: str


def clean_images(
    cfg: CleanConfig, *, out: Path | None, cleaned: Path | None, overwrite: bool = False, console: Console
) -> None:
    """Print what is wrong; write all faults to `out`, with a page beside it, and the cleaned list to `cleaned`.

    No image is deleted, moved or changed.

    Raises:
        TutelageError: a setting, the data, the run or a file is invalid.
    """
    refuse_outputs(cfg, out, cleaned, overwrite=overwrite)
    found = examined(cfg, console)
    for line in summary(found.faults) or ["nothing was found"]:
        console.print(line, markup=False)
    write_outputs(cfg, found, out, cleaned)
    if found.faults and out is None and cleaned is None:
        given = {name.removeprefix("data."): value for name, value in cfg.settings.items() if name != "data.path"}
        files = command("clean", cfg.data, **given, out="faults.csv", cleaned="cleaned.csv")
        console.print(f"for all of them with pictures, and a list of the other images: {files}", markup=False)
    if out is not None:
        console.print(f"all of them: {out}, with pictures in {page_beside(out)}", markup=False)
    if cleaned is not None:
        console.print(f"the cleaned list: {cleaned}; look through it before you use it", markup=False)
        console.print(f"Next: {command('train', cfg.data, labels=cleaned, out='RUN')}", markup=False)


@own_random_state()
@float32_by_default()
def examined(cfg: CleanConfig, console: Console) -> Cleaning:
    """All faults of the images of a source; what was done and what could not be judged is printed.

    Raises:
        TutelageError: a setting, the data or the run is invalid.
    """
    settings: Mapping[str, Any] = cfg.settings
    data = resolve_training(settings).data
    if recognize_kind(data.path, data.labels) != IMAGES:
        raise DataError(f"{shown(data.path)} holds scans: expected images")
    scored, looker = list_scored(data, console), Looker()
    further = [item for _, item in scored]
    pile = gather(settings, run=cfg.run, further=further, watcher=looker, workers=cfg.workers, console=console)
    pictures = look_at_all(data, scored, pile, list_pile(data).items, looker, workers=cfg.workers)
    labeled = int((pile.labels >= 0).sum())
    more = f", and {counted(pictures.learned, 'image')} that score" if pictures.learned else ""
    console.print(
        f"- {counted(len(pile), 'image')}, {labeled:,} labeled{more}; compared by {pile.described}", markup=False
    )
    faults = find_faults(pile, pictures, looker.measures(pile.items), workers=cfg.workers, console=console)
    return Cleaning(faults, pictures, pile.described)


def write_outputs(cfg: CleanConfig, found: Cleaning, out: Path | None, cleaned: Path | None) -> None:
    """Write the table and its page, and the cleaned list, as far as they were asked for."""
    if out is not None:
        source = user_path(cfg.data).absolute().name
        write_atomically(out, fault_table(found.faults))
        page = cleaning_page(found.pictures, found.faults, source, found.described, workers=cfg.workers)
        write_page(page, page_beside(out))
    if cleaned is not None:
        write_atomically(cleaned, cleaned_list(found.pictures, found.faults))


def refuse_outputs(cfg: CleanConfig, out: Path | None, cleaned: Path | None, *, overwrite: bool) -> None:
    """Check that the files may be written.

    Raises:
        ConfigError: a name does not end in .csv, or both are the same.
        RunError: a file exists and `overwrite` is off, or it is read, or there is no such folder.
        DataError: a label table could not be used with this source.
    """
    reads = (*read_by(cfg.settings), *read_of_run(cfg.run, data=True))
    for file in (out, cleaned):
        refuse_file(file, overwrite=overwrite, reads=reads, endings=(".csv",))
    if out is not None:
        refuse_page(page_beside(out), overwrite=overwrite, reads=reads)
    if cleaned is None:
        return
    if out is not None and out.absolute() == cleaned.absolute():
        raise ConfigError(f"{named('out')} and {named('cleaned')} are the same file, {out}: name two")
    if is_archive(cfg.data):
        raise DataError(
            f"{shown(cfg.data)} is no folder of images: {named('cleaned')} writes a label table, which is for a folder"
        )
