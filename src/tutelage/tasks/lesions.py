"""Detection of lesions: connected components that two masks have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Lesions:
    """How many components of two masks touch.

    Attributes:
        found, missed: components of the reference with and without a predicted voxel.
        false: components of the prediction without a voxel of the reference.
    """

    found: int
    missed: int
    false: int

    @property
    def f1(self) -> float | None:
        """2 found / (2 found + missed + false); None without any component."""
        total = 2 * self.found + self.missed + self.false
        return 2 * self.found / total if total else None


def match_lesions(prediction: NDArray[np.bool_], reference: NDArray[np.bool_]) -> Lesions:
    """The lesions of two masks (*S). Voxels that touch at a corner are of one lesion; one common voxel is a hit."""
    from scipy import ndimage  # slow to import

    touching = np.ones((3,) * reference.ndim, dtype=bool)
    pieces, count = ndimage.label(reference, structure=touching)
    guessed, guesses = ndimage.label(prediction, structure=touching)
    both = prediction & reference
    found = len(np.unique(pieces[both]))
    return Lesions(found, count - found, guesses - len(np.unique(guessed[both])))
