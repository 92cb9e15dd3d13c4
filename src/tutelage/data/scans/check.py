"""The check of scans: what is in the data and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from tutelage.config.scan import ScanConfig
from tutelage.config.settings import DataConfig
from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.check import CheckReport, most_common
from tutelage.data.scans.dataset import keep_cases
from tutelage.data.scans.inventory import take_scan_inventory
from tutelage.data.scans.parts import ScanInventory
from tutelage.data.scans.summary import ScanSummary, summarize_scans

_MOST_KINDS = 3  # shapes or other values shown in one line


@dataclass(frozen=True)
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
        table = Table("class", "value", *(heading for role in roles for heading in (f"{role} labels", "of voxels")))
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
