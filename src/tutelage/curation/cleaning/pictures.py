"""The images of all splits of a source that is being cleaned, and what each of them is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from tutelage.config.data import DataConfig
from tutelage.core.errors import DataError
from tutelage.core.inputs import user_path
from tutelage.curation.cleaning import quality
from tutelage.curation.pile import Pile
from tutelage.data.images.framing import Pixels
from tutelage.data.images.items import Files, ImageListing, Item, Unreadable
from tutelage.data.images.reading import Size
from tutelage.data.images.source import list_image_splits, list_images
from tutelage.data.images.survey import ImageLook, survey_images

_SIDES = (32, 256)  # pixels to which images are resized to be measured, at least and at most
SCORED = ("test", "val")  # in the order in which an image is the original of its copies


@dataclass(frozen=True)
class Pictures:
    """Images that score, followed by the images of a pile.

    Attributes:
        items: N images.
        looks: of each, with thumbnails.
        splits: of each; "" for images of the pile.
        paths: of each, relative to the source.
        learned: the number of images that score: the row of the first image of the pile.
        unreadable: path and reason of images that cannot be read.
        below: the paths, of all of these, that are files below the source.
        channels: of an image.
    """

    items: list[Item]
    looks: list[ImageLook]
    splits: list[str]
    paths: list[str]
    learned: int
    unreadable: list[tuple[str, str]]
    below: frozenset[str]
    channels: int = 3


class Looker:
    """Sees all images once, while they are decoded for their features: what they are, and measures of their quality.

    Attributes:
        side: of the squares that are measured: one size for all, that enlarges few of them.
    """

    def __init__(self) -> None:
        self.side = _SIDES[0]
        self.looks: dict[int, ImageLook] = {}  # by the identity of the item
        self.unreadable: list[tuple[Item, Unreadable]] = []
        self._measures: dict[int, quality.Measures] = {}

    def prepare(self, sizes: Sequence[Size], most: int) -> None:
        """See `Watcher`."""
        self.side = min(int(np.clip(np.quantile([min(size) for size in sizes], 0.1), *_SIDES)), most)

    def see(self, item: Item, look: ImageLook, pixels: Pixels) -> None:
        """See `Watcher`."""
        self.looks[id(item)] = look
        self._measures[id(item)] = quality.measure(pixels[None])

    def miss(self, item: Item, why: Unreadable) -> None:
        """See `Watcher`."""
        self.unreadable.append((item, why))

    def measures(self, items: Sequence[Item]) -> quality.Measures:
        """The measures of some images that it has seen."""
        return quality.Measures.joined([self._measures[id(item)] for item in items])


def list_scored(config: DataConfig, console: Console) -> list[tuple[str, Item]]:
    """The test and the validation images, each with its split; what is left out is printed.

    Raises:
        DataError: they cannot be listed.
    """
    scored = _scored(config)
    for warning in (said for listing in scored.values() for said in listing.warnings):
        console.print(f"- {warning}", markup=False)
    return [(split, item) for split, listing in scored.items() for item in listing.items]


def look_at_all(
    config: DataConfig,
    scored: Sequence[tuple[str, Item]],
    pile: Pile,
    listed: Sequence[Item],
    looker: Looker,
    *,
    workers: int,
) -> Pictures:
    """The images that score and the pile.

    Args:
        scored: those that were listed.
        listed: the images of the pile before those that cannot be read were left out.
        looker: that has seen the images that can be read.
    """
    root, names = user_path(config.path), {item.name for item in pile.items}
    lost = [item for item in listed if item.name not in names]
    reasons = [
        (item, look)
        for item, look in zip(lost, survey_images(lost, workers=workers), strict=True)
        if isinstance(look, Unreadable)
    ]
    split_of = {id(item): split for split, item in scored}
    reasons += [(item, why) for item, why in looker.unreadable if id(item) in split_of]
    items = [*pile.further_items, *pile.items]
    splits = [split_of[id(item)] for item in pile.further_items] + [""] * len(pile.items)
    return Pictures(
        items=items,
        looks=[looker.looks[id(item)] for item in items],
        splits=splits,
        paths=[path_of(item, root, split) for item, split in zip(items, splits, strict=True)],
        learned=len(pile.further_items),
        unreadable=[(path_of(item, root), look.reason) for item, look in reasons],
        below=frozenset(
            path_of(item, root)
            for item in (*items, *lost, *(item for item, _ in looker.unreadable))
            if _is_below(item, root)
        ),
        channels=pile.channels,
    )


def path_of(item: Item, root: Path, split: str = "") -> str:
    """The path of an item relative to the source, if it is a file below it; else where it is.

    Arrays of several splits have rows of the same names, so that the split is named, too.
    """
    if not isinstance(item.store, Files):
        return f"{split} {item.name}".strip()
    return Path(os.path.relpath(item.place, root)).as_posix() if _is_below(item, root) else item.place


def _is_below(item: Item, root: Path) -> bool:
    """Whether an item is a file below a folder."""
    return isinstance(item.store, Files) and not os.path.relpath(item.place, root).startswith(os.pardir + os.sep)


def _scored(config: DataConfig) -> dict[str, ImageListing]:
    """The listings of the splits test and val, as far as there are any.

    Raises:
        DataError: with all faults.
    """
    splits = list_image_splits(config.path, config.labels)
    found = {split: splits[split] for split in SCORED if split in splits}
    for split, source in (("test", config.test), ("val", config.val)):
        if source is not None:
            found[split] = list_images(source, role="test" if split == "test" else "val")
    faults = [fault for listing in found.values() for fault in listing.faults if not listing.items]
    if faults:
        raise DataError(faults)
    return {split: found[split] for split in SCORED if split in found}
