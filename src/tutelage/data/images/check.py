"""What is in the data and what is wrong with it, found before anything is trained."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tutelage.config.settings import DataConfig
from tutelage.core.errors import DataError
from tutelage.core.files import refuse_file, write_json
from tutelage.core.names import shown
from tutelage.data.images.inventory import Inventory, Part, take_inventory
from tutelage.data.split import keep_labels

MOST_SHOWN = 20  # faults, and warnings


@dataclass(frozen=True)
class PartSummary:
    """One source in its role.

    Attributes:
        images: those that can be read; `unreadable` ones come on top.
        classes: labeled images of each class, also of those that have none.
        sizes: images of each size, e.g. `{"32 x 32": 50000}`.
        modes: images of each Pillow mode, e.g. `{"RGB": 50000}`.
    """

    source: str
    kind: str
    images: int
    labeled: int
    unreadable: int
    classes: dict[str, int]
    sizes: dict[str, int]
    modes: dict[str, int]


@dataclass(frozen=True)
class CheckReport:
    """The outcome of `check`. Faults stop a training run, warnings do not; both are safe to print."""

    parts: dict[str, PartSummary]
    faults: list[str]
    warnings: list[str]
    inventory: Inventory

    @property
    def ok(self) -> bool:
        return not self.faults

    def raise_faults(self) -> None:
        """Raise a DataError that lists all faults, if there are any."""
        if self.faults:
            raise DataError(self.faults)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the inventory, ready for JSON."""
        parts = {role: asdict(part) for role, part in self.parts.items()}
        return {"ok": self.ok, "parts": parts, "faults": self.faults, "warnings": self.warnings}


def check(config: DataConfig, *, workers: int = 1, needs_labels: bool = True) -> CheckReport:
    """List and read everything that a run with `config` would use, and collect all faults and warnings.

    Nothing is raised for what is wrong with the data. Pass `.inventory` on to `load_dataset`, which then lists and
    surveys nothing again.

    Args:
        needs_labels: without it a lack of labels is no fault; see `take_inventory`.
    """
    inventory = take_inventory(config, workers=workers, needs_labels=needs_labels)
    parts = {role: _summary(part, inventory.classes) for role, part in inventory.parts.items()}
    faults = list(inventory.faults)
    train = inventory.parts.get("train")
    if train is not None and all(train.class_counts()[name] for name in inventory.classes):
        try:
            _keep_labels(train, inventory.classes, config)
        except DataError as error:
            faults += error.faults
    return CheckReport(parts, faults, list(inventory.warnings), inventory)


def check_and_print(
    config: DataConfig, *, workers: int, out: Path | None, overwrite: bool = False, console: Console
) -> None:
    """Check, print the report, and write it to `out` as JSON.

    Raises:
        DataError: with the number of faults, if there are any; they are printed by then.
        RunError: `out` cannot be written, or is there and `overwrite` is off.
    """
    refuse_file(out, overwrite=overwrite)
    report = check(config, workers=workers)
    print_report(report, console)
    if out is not None:
        write_json(out, report.to_dict())
    end_of_check(config.path, report.faults)


def end_of_check(path: str, faults: list[str]) -> None:
    """Raise a DataError with the number of `faults` of the data in `path`, which are printed, if there are any."""
    if faults:
        number = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise DataError(f"{shown(path)} cannot be trained on: {number}, listed above")


def check_for_training(config: DataConfig, *, workers: int, console: Console, needs_labels: bool = True) -> Inventory:
    """Check, print the warnings, and give what was found on to `load_dataset`.

    Args:
        needs_labels: without it a lack of labels is no fault; see `take_inventory`.

    Raises:
        DataError: with all faults.
    """
    report = check(config, workers=workers, needs_labels=needs_labels)
    print_sentences("warning", "yellow", report.warnings, console)
    report.raise_faults()
    return report.inventory


def print_report(report: CheckReport, console: Console) -> None:
    """Print the counts of all parts, then warnings, then faults, at most `MOST_SHOWN` of each.

    Text from outside is never read as markup.
    """
    for role, part in report.parts.items():
        title = f"{role}: {shown(part.source)} ({part.kind})"
        console.print(Text(title, style="bold"))
        unreadable = f", {part.unreadable} unreadable" if part.unreadable else ""
        console.print(Text(f"  {part.images} images, {part.labeled} labeled{unreadable}"))
        if part.images:
            console.print(Text(f"  sizes: {_most_common(part.sizes)}; modes: {_most_common(part.modes)}"))
    classes = _class_table(report)
    if classes.row_count:
        console.print(classes)
    print_sentences("warning", "yellow", report.warnings, console)
    print_sentences("fault", "red", report.faults, console)
    if report.ok:
        console.print(Text("The data can be trained on.", style="green"))


def _summary(part: Part, classes: tuple[str, ...]) -> PartSummary:
    counts = part.class_counts()
    names = [*classes, *sorted(set(counts) - set(classes))]
    return PartSummary(
        source=part.listing.where,
        kind=part.listing.kind,
        images=len(part.items),
        labeled=sum(counts.values()),
        unreadable=len(part.listing.items) - len(part.items),
        classes={name: counts[name] for name in names},
        sizes=dict(Counter(f"{look.size[0]} x {look.size[1]}" for look in part.looks).most_common()),
        modes=dict(Counter(look.mode for look in part.looks).most_common()),
    )


def _keep_labels(train: Part, classes: tuple[str, ...], config: DataConfig) -> None:
    """Raises where there are too few labels for `label_count`; whether there are does not depend on the seed."""
    index = {name: number for number, name in enumerate(classes)}
    labels = np.array([-1 if item.label is None else index[item.label] for item in train.items], np.int64)
    names = [item.name for item in train.items]
    keep_labels(labels, names, classes, count=config.label_count, balance=config.label_balance, seed=0)


def _class_table(report: CheckReport) -> Table:
    roles = [role for role, part in report.parts.items() if part.labeled]
    table = Table("class", *roles)
    for column in table.columns[1:]:
        column.justify = "right"
    for name in dict.fromkeys(name for role in roles for name in report.parts[role].classes):
        counts = [str(report.parts[role].classes.get(name, 0)) for role in roles]
        table.add_row(Text(shown(name)), *counts)
    return table


def _most_common(counts: dict[str, int], most: int = 4) -> str:
    first = ", ".join(f"{name} ({count})" for name, count in list(counts.items())[:most])
    return first if len(counts) <= most else f"{first}, and {len(counts) - most} more"


def print_sentences(word: str, style: str, sentences: list[str], console: Console) -> None:
    """Print warnings or faults, at most `MOST_SHOWN` of them."""
    for sentence in sentences[:MOST_SHOWN]:
        console.print(Text.assemble((f"{word}: ", style), sentence), soft_wrap=True)
    if len(sentences) > MOST_SHOWN:
        console.print(
            Text(f"{word}: (and {len(sentences) - MOST_SHOWN} more; --out report.json lists all)", style=style)
        )
