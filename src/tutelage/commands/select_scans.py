"""The command select for scans: for which a mask would help most, as a table of pairs and a page with pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tutelage.commands.select_config import SelectConfig
from tutelage.core.errors import ConfigError, DataError
from tutelage.core.files import write_atomically
from tutelage.core.inputs import user_path
from tutelage.core.names import counted, shown
from tutelage.core.wording import command, named, option
from tutelage.curation.chosen_scans import rank_scans, scan_page, scan_table
from tutelage.data.scans.items import Case
from tutelage.data.scans.source import list_scan_splits
from tutelage.inference.scans.model import ScanModel
from tutelage.results.report.blocks import Page
from tutelage.results.report.write import write_page

_LEARNED = ("train", "unlabeled")
_SHOWN = 5  # scans that could not be judged


@dataclass(frozen=True)
class ScanChoice:
    """The scans to segment next: their number, the table of pairs, and the page."""

    count: int
    table: bytes
    page: Page


def select_scans(cfg: SelectConfig, *, out: Path, console: Console) -> None:
    """Write the table of the scans to segment next to `out`, and a page with pictures beside it.

    Raises:
        TutelageError: there is no run, it is on images, the source is invalid, or every scan has a mask.
    """
    found = chosen_scans(cfg, console)
    write_chosen_scans(found, out)
    console.print(
        f"{counted(found.count, 'scan')} to segment: {out}, with pictures in {out.with_suffix('.html')}", markup=False
    )
    console.print(
        "draw their masks in your viewer and name the files in the column label, then: "
        f"{command('train', cfg.data, labels=out, out='RUN')}",
        markup=False,
    )


def write_chosen_scans(found: ScanChoice, out: Path) -> None:
    """Write the table to `out` (.csv) and the page beside it (.html)."""
    write_atomically(out, found.table)
    write_page(found.page, out.with_suffix(".html"))


def chosen_scans(cfg: SelectConfig, console: Console) -> ScanChoice:
    """The scans without a mask of which a run is least sure; what was decided is printed.

    Raises:
        TutelageError: see `select_scans`.
    """
    _require_scan_settings(cfg)
    assert cfg.run is not None
    unlabeled, labeled = _cases(cfg.data, cfg.labels, console)
    model = ScanModel.load(cfg.run)
    total = len(unlabeled) + len(labeled)
    said = f"{counted(total, 'scan')}, {len(labeled):,} with a mask"
    console.print(f"- {said}; judged by {shown(str(cfg.run))}", markup=False)
    ranked, faults = rank_scans(model, unlabeled)
    for fault in faults[:_SHOWN]:
        console.print(f"- left out: {fault}", markup=False)
    if len(faults) > _SHOWN:
        console.print(f"- and {len(faults) - _SHOWN} more that cannot be judged")
    if not ranked:
        raise DataError(f"{shown(cfg.data)}: no scan without a mask can be judged. {faults[0]}")
    chosen = ranked[: cfg.count]
    if len(chosen) < cfg.count:
        console.print(f"- {len(chosen)} instead of {cfg.count} scans: there are no more without a mask")
    root = user_path(cfg.data).absolute()
    page = scan_page(model, chosen, root.name, cfg.run.name, total, len(labeled))
    return ScanChoice(len(chosen), scan_table(chosen, labeled, root if root.is_dir() else root.parent), page)


def _require_scan_settings(cfg: SelectConfig) -> None:
    """Check that there is a run, and nothing that is for images only.

    Raises:
        ConfigError: see above.
    """
    images = {
        "features": cfg.features is not None,
        "ignore_folders": cfg.ignore_folders,
        "strategy": cfg.strategy != "auto",
    }
    for name, given in images.items():
        if given:
            raise ConfigError(f"{named(name)} is for images, and {shown(cfg.data)} holds scans")
    if cfg.run is None:
        raise ConfigError(
            f"{shown(cfg.data)} holds scans, which are ranked by how unsure a run is of them: name one with "
            f"{option('run')}, trained on a few scans with masks"
        )


def _cases(data: str, labels: str | None, console: Console) -> tuple[list[Case], list[Case]]:
    """The scans to learn from, without and with a mask; what is left out is printed.

    Raises:
        DataError: the source has faults, or every scan has a mask.
    """
    splits = list_scan_splits(data, labels)
    parts = [splits[name] for name in _LEARNED if name in splits]
    if faults := [fault for part in parts or splits.values() for fault in part.faults]:
        raise DataError(faults)
    for warning in (said for part in parts for said in part.warnings):
        console.print(f"- {warning}", markup=False)
    cases = [case for part in parts for case in part.cases]
    unlabeled = [case for case in cases if case.label is None]
    if not unlabeled:
        raise DataError(f"{shown(data)} has no scan without a mask, of {counted(len(cases), 'scan')}")
    return unlabeled, [case for case in cases if case.label is not None]
