"""The check of images: what is in the data, in numbers, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from rich.table import Table
from rich.text import Text

from tutelage.config.data import DataConfig
from tutelage.core.console import name_column
from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.check import CheckReport, most_common
from tutelage.data.images.inventory import take_image_inventory
from tutelage.data.images.parts import ImageInventory, ImagePart
from tutelage.data.images.reader import ImageReader
from tutelage.data.images.size import choose_framing, framing_note
from tutelage.data.images.streaming import Wanted
from tutelage.data.split import keep_labels

_MOST_KINDS = 4  # sizes or modes shown in one line


@dataclass(frozen=True)
class ImageSummary:
    """One source in its role.

    Attributes:
        images: readable images; `unreadable` ones are not included.
        classes: labeled images per class, including classes without any.
        sizes: images of each size, e.g. `{"32 x 32": 50000}`.
        modes: images of each Pillow mode, e.g. `{"RGB": 50000}`.
        squares: what a training leaves out of them, or does to them instead; None if they are square, or not learned
            from.
    """

    source: str
    kind: str
    images: int
    labeled: int
    unreadable: int
    classes: dict[str, int]
    sizes: dict[str, int]
    modes: dict[str, int]
    squares: str | None


def summarize_images(inventory: ImageInventory, config: DataConfig) -> dict[str, ImageSummary]:
    """A summary of each part, by role."""
    looks = inventory.seen
    squares = framing_note(looks, choose_framing(looks, config))
    return {
        role: _summary(part, inventory.classes, squares if role == "train" else None)
        for role, part in inventory.parts.items()
    }


def _summary(part: ImagePart, classes: tuple[str, ...], squares: str | None) -> ImageSummary:
    counts = part.class_counts()
    names = [*classes, *sorted(set(counts) - set(classes))]
    return ImageSummary(
        source=part.listing.where,
        kind=part.listing.kind,
        images=len(part.items),
        labeled=sum(counts.values()),
        unreadable=len(part.listing.items) - len(part.items),
        classes={name: counts[name] for name in names},
        sizes=dict(Counter(f"{look.size[0]} x {look.size[1]}" for look in part.seen).most_common()),
        modes=dict(Counter(look.mode for look in part.seen).most_common()),
        squares=squares,
    )


@dataclass(frozen=True, repr=False)
class ImageCheckReport(CheckReport):
    """The outcome of `check_images`."""

    parts: Mapping[str, ImageSummary]
    inventory: ImageInventory

    def lines(self, part: ImageSummary) -> list[str]:
        """See `CheckReport`."""
        unreadable = f", {part.unreadable} unreadable" if part.unreadable else ""
        found = [f"{part.images} images, {part.labeled} labeled{unreadable}"]
        if part.images:
            sizes, modes = most_common(part.sizes, _MOST_KINDS), most_common(part.modes, _MOST_KINDS)
            found.append(f"sizes: {sizes}; modes: {modes}")
        if part.squares is not None:
            found.append(part.squares)
        return found

    def class_table(self) -> Table:
        """See `CheckReport`."""
        roles = [role for role, part in self.parts.items() if part.labeled]
        table = Table(name_column("class"), *roles)
        for name in dict.fromkeys(name for role in roles for name in self.parts[role].classes):
            counts = [str(self.parts[role].classes.get(name, 0)) for role in roles]
            table.add_row(Text(shown(name)), *counts)
        return table


def check_images(
    config: DataConfig,
    *,
    reader: ImageReader | None = None,
    needs_labels: bool = True,
    decode: bool = False,
    settled: Callable[[ImageInventory], Wanted] | None = None,
    similar: bool = False,
    seed: int = 0,
) -> ImageCheckReport:
    """List and read everything that a run with `config` would use, and collect all faults and warnings.

    Problems with the data are reported, not raised. Pass `.inventory` on to `load_images`, which then lists and
    reads nothing again.

    Args:
        needs_labels: if False, missing labels are not a fault; see `take_image_inventory`.
        decode, settled: if a training follows, so that each image is decoded once; see `take_image_inventory`.
        similar: also warn of copies that are not byte-identical; see `take_image_inventory`.
        seed: of the training; see `take_image_inventory`.
    """
    inventory = take_image_inventory(
        config, reader=reader, needs_labels=needs_labels, decode=decode, settled=settled, similar=similar, seed=seed
    )
    faults = list(inventory.faults)
    train = inventory.parts.get("train")
    if train is not None and all(train.class_counts()[name] for name in inventory.classes):
        try:
            _keep_labels(train, inventory.classes, config)
        except DataError as error:
            faults += error.faults
    return ImageCheckReport(summarize_images(inventory, config), faults, list(inventory.warnings), inventory)


def _keep_labels(train: ImagePart, classes: tuple[str, ...], config: DataConfig) -> None:
    """Raise a DataError if there are too few labels for `label_count`, whatever the seed."""
    index = {name: number for number, name in enumerate(classes)}
    labels = np.array([-1 if item.label is None else index[item.label] for item in train.items], np.int64)
    names = [item.name for item in train.items]
    keep_labels(labels, names, classes, count=config.label_count, balance=config.label_balance, seed=0)
