"""The images of all splits of a source that is being cleaned, and what each of them is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tutelage.config.settings import DataConfig
from tutelage.core.errors import DataError
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
        unreadable: path and reason of images of the source that cannot be read.
    """

    items: list[Item]
    looks: list[ImageLook]
    splits: list[str]
    paths: list[str]
    learned: int
    unreadable: list[tuple[str, str]]


def look_at_all(config: DataConfig, pile: Pile, listed: Sequence[Item], *, workers: int) -> Pictures:
    """The pile and the images that score, each decoded once.

    Args:
        listed: the images of the pile before those that cannot be read were left out.

    Raises:
        DataError: the images that score cannot be listed, or an image of the pile cannot be read any more.
    """
    scored = [(split, item) for split, listing in _scored(config).items() for item in listing.items]
    looks = survey_images([item for _, item in scored], workers=workers, thumbnails=True)
    own = survey_images(pile.items, workers=workers, thumbnails=True)
    gone = [f"{item.place} {look.reason}" for item, look in zip(pile.items, own, strict=True) if _bad(look)]  # type: ignore[union-attr]
    if gone:
        raise DataError(gone)
    root = Path(config.path).expanduser()
    readable = [(split, item, look) for (split, item), look in zip(scored, looks, strict=True) if not _bad(look)]
    names = {item.name for item in pile.items}
    lost = [item for item in listed if item.name not in names]
    faults = survey_images(lost, workers=workers)
    unreadable = [(item, look) for item, look in zip(lost, faults, strict=True)]
    unreadable += [(item, look) for (_, item), look in zip(scored, looks, strict=True) if _bad(look)]
    items = [item for _, item, _ in readable] + pile.items
    return Pictures(
        items=items,
        looks=[look for look in [*(look for _, _, look in readable), *own] if isinstance(look, ImageLook)],
        splits=[split for split, _, _ in readable] + [""] * len(pile.items),
        paths=[path_of(item, root) for item in items],
        learned=len(readable),
        unreadable=[(path_of(item, root), look.reason) for item, look in unreadable if isinstance(look, Unreadable)],
    )


def path_of(item: Item, root: Path) -> str:
    """The path of an item relative to the source, if it is a file below it; else where it is."""
    if not isinstance(item.store, Files):
        return item.name
    path = Path(os.path.relpath(item.place, root)).as_posix()
    return item.place if path.startswith("../") else path


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


def _bad(look: ImageLook | Unreadable) -> bool:
    return isinstance(look, Unreadable)
