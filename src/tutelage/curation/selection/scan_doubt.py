"""How unsure a model is of what it segments in a scan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TINY = 1e-9


def doubt(probs: NDArray[np.float32], predicted: NDArray[np.integer]) -> float | None:
    """The mean entropy over the voxels that are segmented, as a share of the largest that K classes can have.

    docs/select.md compares it with the Dice that follows from the probabilities.

    Args:
        probs: (K, *S), of which class 0 is the background.
        predicted: (*S) class indices.

    Returns:
        In [0, 1]; None if nothing but background is found.
    """
    found = probs[:, predicted > 0].astype(np.float64)
    if not found.size:
        return None
    entropy = -(found * np.log(found + _TINY)).sum(0) / np.log(len(probs))
    return float(np.clip(entropy.mean(), 0.0, 1.0))


def unsure_voxels(probs: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(*S): voxels whose most probable class has a probability below 0.75."""
    found: NDArray[np.bool_] = probs.max(0) < 0.75
    return found
