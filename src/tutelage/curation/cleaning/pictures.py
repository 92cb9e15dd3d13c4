"""The images of all splits of a source that is being cleaned, and what each of them is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tutelage.config.settings import DataConfig
from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.curation.pile import Pile
from tutelage.data.images.items import Files, ImageListing, Item, Unreadable
from tutelage.data.images.source import list_image_splits, list_images
from tutelage.data.images.survey import ImageLook, survey_images

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
    """

    items: list[Item]
    looks: list[ImageLook]
    splits: list[str]
    paths: list[str]
    learned: int
    unreadable: list[tuple[str, str]]
    below: frozenset[str]


@dataclass(frozen=True)
class ScoredPictures:
    """Images that score: the readable ones with what they are, and the unreadable ones with the reason."""

    items: list[Item]
    splits: list[str]
    looks: list[ImageLook]
    unreadable: list[tuple[Item, Unreadable]]


def look_at_scored(config: DataConfig, *, workers: int) -> ScoredPictures:
    """The test and the validation images.

    Raises:
        DataError: they cannot be listed.
    """
    listed = [(split, item) for split, listing in _scored(config).items() for item in listing.items]
    looks = survey_images([item for _, item in listed], workers=workers, thumbnails=True)
    found = ScoredPictures([], [], [], [])
    for (split, item), look in zip(listed, looks, strict=True):
        if isinstance(look, Unreadable):
            found.unreadable.append((item, look))
            continue
        found.items.append(item)
        found.splits.append(split)
        found.looks.append(look)
    return found


def look_at_all(
    config: DataConfig, scored: ScoredPictures, pile: Pile, listed: Sequence[Item], *, workers: int
) -> Pictures:
    """The images that score and the pile.

    Args:
        listed: the images of the pile before those that cannot be read were left out.

    Raises:
        DataError: an image of the pile cannot be read any more.
    """
    root, names = Path(config.path).expanduser(), {item.name for item in pile.items}
    found = survey_images(pile.items, workers=workers, levels=pile.framing.levels, thumbnails=True)
    looks: list[ImageLook] = []
    gone: list[str] = []
    for item, look in zip(pile.items, found, strict=True):
        if isinstance(look, Unreadable):
            gone.append(f"{shown(item.place)} {look.reason}")
        else:
            looks.append(look)
    if gone:
        raise DataError(gone)
    lost = [item for item in listed if item.name not in names]
    reasons = [
        (item, look)
        for item, look in zip(lost, survey_images(lost, workers=workers), strict=True)
        if isinstance(look, Unreadable)
    ]
    items, splits = scored.items + pile.items, scored.splits + [""] * len(pile.items)
    return Pictures(
        items=items,
        looks=scored.looks + looks,
        splits=splits,
        paths=[path_of(item, root, split) for item, split in zip(items, splits, strict=True)],
        learned=len(scored.items),
        unreadable=[(path_of(item, root), look.reason) for item, look in reasons + scored.unreadable],
        below=frozenset(
            path_of(item, root)
            for item in (*items, *lost, *(item for item, _ in scored.unreadable))
            if _is_below(item, root)
        ),
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
