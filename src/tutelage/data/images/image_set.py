"""Decoded images of a run with their labels, to be drawn from or scored on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.images.cache import PixelCache, Pixels
from tutelage.data.images.items import Item, Unreadable
from tutelage.data.images.survey import read_pixels


@dataclass
class ImageSet:
    """Decoded images in memory or memory-mapped.

    Attributes:
        images: (N, C, size, size) uint8.
        labels: (N,) int64, the index of the class, -1 where there is none or it is hidden.
        names: of the images, as shown to the user.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: list[str]

    def __len__(self) -> int:
        return len(self.images)


@dataclass
class ImageSubset:
    """Some labeled rows of an image set, to score on."""

    images: ImageSet
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(len(rows),) class indices."""
        return self.images.labels[self.rows]


def decode(
    items: Sequence[Item],
    classes: Sequence[str],
    *,
    size: int,
    channels: int,
    workers: int = 1,
    cache: PixelCache | None = None,
    name: str = "images",
) -> ImageSet:
    """All items as one array.

    Args:
        cache: holds the array; an array that is there already is not decoded again. None decodes into memory.
        name: of the array in the cache; it must identify the content.

    Raises:
        DataError: images that cannot be read, all of them, or a label that is not in `classes`.
        RunError: the cache cannot be written.
    """
    labels, shape = class_indices(items, classes), (len(items), channels, size, size)
    cache = cache or PixelCache(None, 0)
    images = cache.take(name, shape)
    if images is None:
        images = cache.fill(name, _readable_pixels(items, size=size, channels=channels, workers=workers), shape)
    return ImageSet(images, labels, [item.name for item in items])


def class_indices(items: Sequence[Item], classes: Sequence[str]) -> NDArray[np.int64]:
    """(N,) the index of the class of each item, -1 where it has no label.

    Raises:
        DataError: labels that are not in `classes`, all of them.
    """
    index = {name: number for number, name in enumerate(classes)}
    unknown = [item for item in items if item.label is not None and item.label not in index]
    if unknown:
        raise DataError([f"{shown(item.place)}: '{shown(str(item.label))}' is not a class" for item in unknown])
    return np.array([-1 if item.label is None else index[item.label] for item in items], np.int64)


def _readable_pixels(items: Sequence[Item], *, size: int, channels: int, workers: int) -> Iterator[Pixels]:
    """The pixels of all items; a DataError at the end names all that cannot be read."""
    faults: list[str] = []
    for item, pixels in zip(items, read_pixels(items, size=size, channels=channels, workers=workers), strict=True):
        if isinstance(pixels, Unreadable):
            faults.append(f"{shown(item.place)} {pixels.reason}")
        else:
            yield pixels
    if faults:
        raise DataError(faults)
