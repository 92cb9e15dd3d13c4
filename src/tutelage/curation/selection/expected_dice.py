"""The Dice that a model expects of its own mask: how sure it is of a scan, in the unit that masks are scored in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST = 1.0  # voxels of a class, in the mask and expected, below which it is taken to be absent


def expected_dice(probs: NDArray[np.float32], predicted: NDArray[np.int64]) -> float | None:
    """The mean over classes of 2 sum(p m) / (sum(p) + sum(m)), with p the probability and m the mask of a class.

    With p true, it is close to the mean of the Dice between the mask and what is there (the ratio of the means). It
    falls if boundaries are blurred, and if a structure is found only in part.

    Args:
        probs: (K, *S), of which class 0 is the background.
        predicted: (*S) class indices.

    Returns:
        In [0, 1]; None if no class but the background is found or expected.
    """
    found = []
    for number in range(1, len(probs)):
        mask, p = predicted == number, probs[number]
        both = float(p.sum(dtype=np.float64)) + float(mask.sum())
        if both >= _LEAST:
            found.append(2.0 * float(p[mask].sum(dtype=np.float64)) / both)
    return float(np.mean(found)) if found else None


def unsure_voxels(probs: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(*S): voxels whose most probable class has a probability below 0.75."""
    found: NDArray[np.bool_] = probs.max(0) < 0.75
    return found
