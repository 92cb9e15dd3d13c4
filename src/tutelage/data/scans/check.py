"""The check of scans: what is in the data, in numbers, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from tutelage.config.data import DataConfig
from tutelage.config.scan import ScanConfig
from tutelage.core.console import name_column
from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.check import CheckReport, most_common
from tutelage.data.scans.dataset import keep_cases
from tutelage.data.scans.inventory import take_scan_inventory
from tutelage.data.scans.parts import ScanInventory, ScanPart

_MOST_KINDS = 3  # shapes or other values shown in one line


@dataclass(frozen=True)
class ScanSummary:
    """One source in its role.

    Attributes:
        scans: readable scans; `unreadable` ones are not included.
        labeled_in: labeled scans in which each class occurs.
        voxels: voxels of each class, over all labels.
        shapes, spacings: of the prepared scans, the most frequent first, e.g. `{"36 x 52 x 38": 3}`, in mm.
        orientations: of the files, e.g. `{"RAS": 200}`.
        intensities: lowest and highest of all files.
    """

    source: str
    kind: str
    scans: int
    labeled: int
    unreadable: int
    channels: int
    labeled_in: dict[str, int]
    voxels: dict[str, int]
    shapes: dict[str, int]
    spacings: dict[str, int]
    orientations: dict[str, int]
    intensities: tuple[float, float] | None


def summarize_scans(inventory: ScanInventory) -> dict[str, ScanSummary]:
    """A summary of each part, by role."""
    return {role: _summary(part, inventory.values) for role, part in inventory.parts.items()}


def _summary(part: ScanPart, values: dict[str, int]) -> ScanSummary:
    looks = part.looks
    return ScanSummary(
        source=part.listing.where,
        kind=part.listing.kind,
        scans=len(part.cases),
        labeled=part.labeled,
        unreadable=len(part.listing.cases) - len(part.cases),
        channels=looks[0].channels if looks else 0,
        labeled_in={name: sum(value in look.label_counts for look in looks) for name, value in values.items()},
        voxels={name: sum(look.label_counts.get(value, 0) for look in looks) for name, value in values.items()},
        shapes=_counted(" x ".join(map(str, look.placement.shape)) for look in looks),
        spacings=_counted(" x ".join(f"{step:.3g}" for step in look.placement.spacing) for look in looks),
        orientations=_counted(look.placement.geometry.codes or "none" for look in looks),
        intensities=(min(look.low for look in looks), max(look.high for look in looks)) if looks else None,
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


@dataclass(frozen=True, repr=False)
class ScanCheckReport(CheckReport):
    """The outcome of `check_scans`."""

    parts: Mapping[str, ScanSummary]
    inventory: ScanInventory

    def lines(self, part: ScanSummary) -> list[str]:
        """See `CheckReport`."""
        unreadable = f", {part.unreadable} unreadable" if part.unreadable else ""
        found = [f"{part.scans} scans, {part.labeled} labeled{unreadable}"]
        if part.intensities is not None:
            shapes, spacings, axes = (
                most_common(counts, _MOST_KINDS) for counts in (part.shapes, part.spacings, part.orientations)
            )
            low, high = part.intensities
            channels = "one channel" if part.channels == 1 else f"{part.channels} channels"
            found.append(f"voxels: {shapes}; spacing in mm: {spacings}")
            found.append(f"{channels}, intensities {low:.5g} to {high:.5g}; axes: {axes}")
        return found

    def class_table(self) -> Table:
        """For each class and part, the number of labels it occurs in and its share of their voxels."""
        roles = [role for role, part in self.parts.items() if part.labeled]
        counted = (heading for role in roles for heading in (f"{role} labels", "of voxels"))
        table = Table(name_column("class"), "value", *counted)
        for name, value in self.inventory.values.items():
            cells = []
            for role in roles:
                part = self.parts[role]
                share = part.voxels[name] / max(sum(part.voxels.values()), 1)
                cells += [str(part.labeled_in[name]), f"{share:.2%}"]
            table.add_row(Text(shown(name)), str(value), *cells)
        return table


def check_scans(
    data: DataConfig, scan: ScanConfig, *, workers: int = 1, cache_dir: Path | None = None
) -> ScanCheckReport:
    """List and read every scan that a run would use, and collect all faults and warnings.

    Args:
        cache_dir: where the prepared volumes are kept, for a training that follows.
    """
    inventory = take_scan_inventory(data, scan, workers=workers, cache_dir=cache_dir)
    faults = list(inventory.faults)
    train = inventory.parts.get("train")
    if train is not None and train.labeled and data.label_count is not None:
        names = [case.name for case in train.cases]
        known = [row for row, case in enumerate(train.cases) if case.label is not None]
        try:
            keep_cases(np.array(known, np.int64), names, count=data.label_count, choice="first", seed=0)
        except DataError as error:
            faults += error.faults
    return ScanCheckReport(summarize_scans(inventory), faults, list(inventory.warnings), inventory)
