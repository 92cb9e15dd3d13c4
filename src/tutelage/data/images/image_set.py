"""Decoded images of a run, to be drawn from or scored on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class ImageSet:
    """Decoded images in memory or memory-mapped.

    Attributes:
        images: (N, C, size, size) uint8.
        labels: (N,) int64, the index of the class, -1 where there is none to see.
        names: what a person calls each image.
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
