"""Decoded images of a run with their labels, in memory or in files that are mapped into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.images.framing import FULL_CROP, Framing
from tutelage.data.images.items import Item, Unreadable
from tutelage.data.images.reader import Decoding, ImageReader
from tutelage.data.images.streamed import ImageRows


@dataclass
class ImageSet:
    """Decoded images in memory, memory-mapped, or decoded as they are needed.

    Attributes:
        images: (N, C, size, size) uint8, to be indexed by rows.
        labels: (N,) int64, the index of the class, -1 where there is none or it is hidden.
        names: of the images, as shown to the user.
    """

    images: ImageRows
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
    framing: Framing = FULL_CROP,
    reader: ImageReader | None = None,
) -> ImageSet:
    """All items as one array.

    Args:
        reader: None reads with one thread and without a cache.

    Raises:
        DataError: images that cannot be read, all of them, or a label that is not in `classes`.
        RunError: there is no room for them.
    """
    labels = class_indices(items, classes)
    looks, pixels = (reader or ImageReader()).read(items, Decoding(size, channels, framing))
    faults = [
        f"{shown(item.place)} {look.reason}"
        for item, look in zip(items, looks, strict=True)
        if isinstance(look, Unreadable)
    ]
    if faults:
        raise DataError(faults)
    return ImageSet(pixels, labels, [item.name for item in items])


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
