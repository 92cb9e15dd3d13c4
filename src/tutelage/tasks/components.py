"""Connected components of a segmentation."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Integer = TypeVar("Integer", bound=np.integer)


def keep_largest(labels: NDArray[Integer], num_classes: int) -> NDArray[Integer]:
    """`labels` (*S) with only the largest connected component of each class; the others become background (0).

    Voxels that touch at a corner are connected (26 neighbors in three dimensions, as in DTC's code). If two components
    have the same size, the first in memory order is kept. Absent classes stay absent.
    """
    from scipy import ndimage  # slow to import

    kept = labels.copy()
    touching = np.ones((3,) * labels.ndim, dtype=bool)
    for k in range(1, num_classes):
        pieces, count = ndimage.label(labels == k, structure=touching)
        if count > 1:
            sizes = np.bincount(pieces.ravel())
            sizes[0] = 0
            kept[(pieces != sizes.argmax()) & (pieces > 0)] = 0
    return kept
