"""The command select: which images to label next, as a table to fill in and a page with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tutelage.commands.select_config import SelectConfig
from tutelage.commands.select_scans import select_scans
from tutelage.core.errors import DataError
from tutelage.core.files import refuse_file, write_atomically
from tutelage.core.inputs import user_path
from tutelage.core.names import counted, shown
from tutelage.core.precision import float32_by_default
from tutelage.core.seeding import own_random_state
from tutelage.core.wording import command
from tutelage.curation.chosen import contact_page, label_csv
from tutelage.curation.pile import Pile, gather, require_unlabeled
from tutelage.curation.selection.choose import Choice, choose, settled
from tutelage.data.images.image_set import class_indices
from tutelage.data.images.items import ImageListing, Item
from tutelage.data.images.source import is_archive
from tutelage.data.kinds import SCANS, recognize_kind
from tutelage.results.report.write import refuse_page, write_page
from tutelage.run.reads import read_of_run


def select_images(cfg: SelectConfig, *, out: Path, overwrite: bool = False, console: Console) -> None:
    """Write the table of the images, or scans, to label next to `out`, and a page with their pictures beside it.

    Raises:
        TutelageError: a setting, the data, the run or a file is invalid.
    """
    refuse_outputs(cfg, out, overwrite=overwrite)
    if recognize_kind(cfg.data, cfg.labels) == SCANS:
        select_scans(cfg, out=out, console=console)
        return
    pile, choice = chosen(cfg, console)
    write_chosen(pile, choice, cfg, out)
    console.print(
        f"{counted(len(choice.picks), 'image')} to label: {out}, with pictures in {page_beside(out)}", markup=False
    )
    console.print(f"fill in the column label, then: {command('train', cfg.data, labels=out, out='RUN')}", markup=False)


def page_beside(out: Path) -> Path:
    """The page that belongs to a table."""
    return out.with_suffix(".html")


def refuse_outputs(cfg: SelectConfig, out: Path | None, *, overwrite: bool) -> None:
    """Check that the table and its page may be written.

    Raises:
        ConfigError: the name does not end in .csv.
        RunError: a file exists and `overwrite` is off, or it is read, or there is no such folder.
    """
    if out is not None:
        reads = (cfg.data, cfg.labels, *read_of_run(cfg.run or cfg.features, data=True))
        refuse_file(out, overwrite=overwrite, reads=reads, endings=(".csv",))
        refuse_page(page_beside(out), overwrite=overwrite, reads=reads)


def write_chosen(pile: Pile, choice: Choice, cfg: SelectConfig, out: Path) -> None:
    """Write the table to `out` (.csv) and the page beside it (.html)."""
    source = user_path(cfg.data).absolute().name
    write_atomically(out, label_csv(pile, choice))
    write_page(contact_page(pile, choice, source, workers=cfg.workers), page_beside(out))


@own_random_state()
@float32_by_default()
def chosen(cfg: SelectConfig, console: Console) -> tuple[Pile, Choice]:
    """The images of a folder, and which of them to label next; what was decided is printed.

    Raises:
        TutelageError: a setting, the data or the run is invalid, or fewer images have no label.
    """
    require_folder(cfg.data)
    settings = {"data.path": cfg.data, "train.seed": cfg.seed}
    pile = gather(
        settings if cfg.labels is None else settings | {"data.labels": cfg.labels},
        run=cfg.run or cfg.features,
        ignore_folders=cfg.ignore_folders,
        check=lambda items, listing: _require_choice(cfg, items, listing),
        workers=cfg.workers,
        console=console,
    )
    labeled = int((pile.labels >= 0).sum())
    console.print(f"- {counted(len(pile), 'image')}, {labeled:,} labeled; compared by {pile.described}", markup=False)
    choice = choose(
        pile.features,
        pile.labels,
        pile.classes,
        count=cfg.count,
        strategy=cfg.strategy,
        alike=pile.alike,
        probs=pile.probs if cfg.run is not None else None,
        probs_classes=pile.probs_classes,
        seed=cfg.seed,
    )
    console.print(f"- chosen: {choice.why}", markup=False)
    if choice.near_duplicates:
        said = counted(choice.near_duplicates, "near-duplicate")
        console.print(f"- left out: {said} of other images (a cosine of {pile.alike:g} or more)")
    if not choice.picks:
        raise DataError(f"{shown(cfg.data)}: every image without a label is a near-duplicate of one with a label")
    if len(choice.picks) < cfg.count:
        console.print(f"- {len(choice.picks)} instead of {cfg.count} images, since the others are near-duplicates")
    return pile, choice


def _require_choice(cfg: SelectConfig, items: Sequence[Item], listing: ImageListing) -> None:
    """Check that there are images to choose from, and labels if the strategy needs some.

    Raises:
        ConfigError: there are not.
    """
    require_unlabeled(items, cfg.count, listing)
    settled(cfg.strategy, class_indices(items, listing.classes), has_run=cfg.run is not None)


def require_folder(data: str) -> None:
    """Check that labels in a table would be taken for this source.

    Raises:
        DataError: it is an archive or a file.
    """
    if is_archive(data):
        raise DataError(
            f"{shown(data)} is no folder of images: the labels that this writes are a table of the files of a folder"
        )
