"""Core-set: the image farthest from all labeled ones. Sener and Savarese 2018, arXiv:1708.00489, algorithm 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tutelage.curation.selection.pick import Pick


def core_set(features: NDArray[np.float32], labeled: NDArray[np.bool_], count: int) -> list[Pick]:
    """The `count` rows to label next, by the greedy solution of the k-center problem.

    Each is the row farthest from its nearest labeled or chosen row; ties go to the first. Without any label, the row
    nearest to the mean of all comes first.

    Args:
        features: (N, D), rows of norm 1, so that the farthest row has the lowest cosine.
        labeled: (N,), whether a row has a label.
        count: at most the number of unlabeled rows.
    """
    nearest = np.full(len(features), -np.inf)  # cosine to the nearest labeled or chosen row
    for row in np.flatnonzero(labeled).tolist():
        nearest = np.maximum(nearest, features @ features[row])
    taken, picks = labeled.copy(), []
    if not labeled.any() and count:
        row = int((features @ features.mean(0)).argmax())
        picks.append(Pick(row, "nearest to the mean of all images"))
        taken[row], nearest = True, np.maximum(nearest, features @ features[row])
    while len(picks) < count:
        row = int(np.where(taken, np.inf, nearest).argmin())
        reason = f"farthest from all images with a label and those above (cosine {nearest[row]:.2f} to the nearest)"
        picks.append(Pick(row, reason))
        taken[row], nearest = True, np.maximum(nearest, features @ features[row])
    return picks
