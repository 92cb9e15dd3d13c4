"""What is in the data and what is wrong with it, found before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from rich.table import Table
from rich.text import Text

from tutelage.config.settings import DataConfig
from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.check import CheckReport, most_common
from tutelage.data.images.inventory import Inventory, Part, take_inventory
from tutelage.data.split import keep_labels

_MOST_KINDS = 4  # of sizes and modes, in a line


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
class ImageCheckReport(CheckReport):
    """The outcome of `check_images`."""

    parts: Mapping[str, PartSummary]
    inventory: Inventory

    def lines(self, part: PartSummary) -> list[str]:
        """See `CheckReport`."""
        unreadable = f", {part.unreadable} unreadable" if part.unreadable else ""
        found = [f"{part.images} images, {part.labeled} labeled{unreadable}"]
        if part.images:
            sizes, modes = most_common(part.sizes, _MOST_KINDS), most_common(part.modes, _MOST_KINDS)
            found.append(f"sizes: {sizes}; modes: {modes}")
        return found

    def class_table(self) -> Table:
        """See `CheckReport`."""
        roles = [role for role, part in self.parts.items() if part.labeled]
        table = Table("class", *roles)
        for name in dict.fromkeys(name for role in roles for name in self.parts[role].classes):
            counts = [str(self.parts[role].classes.get(name, 0)) for role in roles]
            table.add_row(Text(shown(name)), *counts)
        return table


def check_images(config: DataConfig, *, workers: int = 1, needs_labels: bool = True) -> ImageCheckReport:
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
    return ImageCheckReport(parts, faults, list(inventory.warnings), inventory)


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
