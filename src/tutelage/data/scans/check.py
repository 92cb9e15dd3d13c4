"""What is in a source of scans and what is wrong with it, found before anything is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tutelage.config.scan import ScanConfig
from tutelage.config.settings import DataConfig
from tutelage.core.errors import DataError
from tutelage.core.files import refuse_file, write_json
from tutelage.core.names import shown
from tutelage.data.images.check import end_of_check, print_sentences
from tutelage.data.scans.dataset import keep_cases
from tutelage.data.scans.inventory import take_scan_inventory
from tutelage.data.scans.parts import ScanInventory
from tutelage.data.scans.summary import ScanSummary, summarize_scans

_MOST_KINDS = 3  # of shapes and the like, in a line


@dataclass(frozen=True)
class ScanCheckReport:
    """The outcome of `check_scans`. Faults stop a training run, warnings do not; both are safe to print."""

    parts: dict[str, ScanSummary]
    faults: list[str]
    warnings: list[str]
    inventory: ScanInventory

    @property
    def ok(self) -> bool:
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """Everything but the inventory, ready for JSON."""
        parts = {role: asdict(part) for role, part in self.parts.items()}
        return {"ok": self.ok, "parts": parts, "faults": self.faults, "warnings": self.warnings}


def check_scans(
    data: DataConfig, scan: ScanConfig, *, workers: int = 1, cache_dir: Path | None = None
) -> ScanCheckReport:
    """List and read every scan that a run would use, and collect all faults and warnings.

    Args:
        cache_dir: where the prepared volumes are kept meanwhile.
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


def check_scans_for_training(
    data: DataConfig, scan: ScanConfig, *, workers: int, cache_dir: Path | None, console: Console
) -> ScanInventory:
    """Check, print the warnings, and give what was found on to `load_scans`.

    Raises:
        DataError: with all faults.
    """
    report = check_scans(data, scan, workers=workers, cache_dir=cache_dir)
    print_sentences("warning", "yellow", report.warnings, console)
    if report.faults:
        raise DataError(report.faults)
    return report.inventory


def check_scans_and_print(
    data: DataConfig, scan: ScanConfig, *, workers: int, out: Path | None, overwrite: bool = False, console: Console
) -> None:
    """Check, print the report, and write it to `out` as JSON.

    Raises:
        DataError: with the number of faults, if there are any; they are printed by then.
        RunError: `out` cannot be written, or is there and `overwrite` is off.
    """
    refuse_file(out, overwrite=overwrite)
    report = check_scans(data, scan, workers=workers)
    print_scan_report(report, console)
    if out is not None:
        write_json(out, report.to_dict())
    end_of_check(data.path, report.faults)


def print_scan_report(report: ScanCheckReport, console: Console) -> None:
    """Print what each part holds, then warnings, then faults."""
    for role, part in report.parts.items():
        console.print(Text(f"{role}: {shown(part.source)} ({part.kind})", style="bold"))
        unreadable = f", {part.unreadable} unreadable" if part.unreadable else ""
        console.print(Text(f"  {part.scans} scans, {part.labeled} labeled{unreadable}"))
        if part.intensities is not None:
            console.print(Text(f"  voxels: {_most_common(part.shapes)}; spacing in mm: {_most_common(part.spacings)}"))
            low, high = part.intensities
            channels = "one channel" if part.channels == 1 else f"{part.channels} channels"
            console.print(
                Text(f"  {channels}, intensities {low:.5g} to {high:.5g}; axes: {_most_common(part.orientations)}")
            )
    classes = _class_table(report)
    if classes.row_count:
        console.print(classes)
    print_sentences("warning", "yellow", report.warnings, console)
    print_sentences("fault", "red", report.faults, console)
    if report.ok:
        console.print(Text("The data can be trained on.", style="green"))


def _class_table(report: ScanCheckReport) -> Table:
    """For each class and part: in how many labels it occurs, and its share of their voxels."""
    roles = [role for role, part in report.parts.items() if part.labeled]
    table = Table("class", "value", *(heading for role in roles for heading in (f"{role} labels", "of voxels")))
    for column in table.columns[1:]:
        column.justify = "right"
    for name, value in report.inventory.values.items():
        cells = []
        for role in roles:
            part = report.parts[role]
            share = part.voxels[name] / max(sum(part.voxels.values()), 1)
            cells += [str(part.labeled_in[name]), f"{share:.2%}"]
        table.add_row(Text(shown(name)), str(value), *cells)
    return table


def _most_common(counts: dict[str, int]) -> str:
    first = ", ".join(f"{name} ({count})" for name, count in list(counts.items())[:_MOST_KINDS])
    return first if len(counts) <= _MOST_KINDS else f"{first}, and {len(counts) - _MOST_KINDS} more"
