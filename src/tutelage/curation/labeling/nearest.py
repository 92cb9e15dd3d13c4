"""The nearest labeled image of each image, kept up to date while labels come and go."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK = 256  # labels that are compared with all images at once


class NearestLabels:
    """For each image the nearest one that has a label.

    Args:
        features: (N, D), rows of norm 1.

    Attributes:
        near: (N,) the row of the nearest image with a label, -1 if there is none.
        cosine: (N,) to it, -inf if there is none.
    """

    def __init__(self, features: NDArray[np.float32]) -> None:
        self._features = features
        self._labeled = np.zeros(len(features), bool)
        self.near = np.full(len(features), -1, np.int64)
        self.cosine = np.full(len(features), -np.inf, np.float32)

    def update(self, labeled: NDArray[np.bool_]) -> None:
        """Follow a change of the rows (N,) that have a label; only what the change concerns is computed again."""
        added, removed = np.flatnonzero(labeled & ~self._labeled), np.flatnonzero(self._labeled & ~labeled)
        if len(removed):
            lost = np.flatnonzero(np.isin(self.near, removed))
            self.near[lost], self.cosine[lost] = -1, -np.inf
            self._compare(lost, np.flatnonzero(labeled & self._labeled))
        self._compare(np.arange(len(labeled)), added)
        self._labeled = labeled.copy()

    def _compare(self, rows: NDArray[np.int64], others: NDArray[np.int64]) -> None:
        own = self._features[rows] if len(rows) < len(self._features) else self._features
        for start in range(0, len(others), _BLOCK):
            block = others[start : start + _BLOCK]
            cosine = own @ self._features[block].T
            best = cosine.argmax(1)
            found = cosine[np.arange(len(rows)), best]
            closer = found > self.cosine[rows]
            self.near[rows[closer]] = block[best[closer]]
            self.cosine[rows[closer]] = found[closer]
