"""Leaving out images that show next to the same as another one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1024  # rows at a time


def distinct_rows(features: NDArray[np.float32], labeled: NDArray[np.bool_], alike: float) -> NDArray[np.bool_]:
    """(N,): the labeled rows, and others whose cosine to all of these and to earlier ones kept is below `alike`.

    So of a group of near-duplicates the first is kept, or none if one of them has a label.

    Args:
        features: (N, D), rows of norm 1.
        labeled: (N,), whether a row has a label.
    """
    kept = labeled.copy()
    open_rows = np.flatnonzero(~labeled)
    own = features[labeled]
    far = [
        rows
        for start in range(0, len(open_rows), _BLOCK)
        if len(rows := _apart_from(features, open_rows[start : start + _BLOCK], own, alike))
    ]
    before = np.empty((0, features.shape[1]), np.float32)
    for rows in far:
        rows = _apart_from(features, rows, before, alike)
        close = features[rows] @ features[rows].T >= alike
        chosen: list[int] = []
        for k in range(len(rows)):
            if not close[k, chosen].any():
                chosen.append(k)
        kept[rows[chosen]] = True
        before = np.concatenate([before, features[rows[chosen]]])
    return kept


def _apart_from(
    features: NDArray[np.float32], rows: NDArray[np.int64], others: NDArray[np.float32], alike: float
) -> NDArray[np.int64]:
    """Those of `rows` that are no near-duplicates of `others`."""
    if not len(others) or not len(rows):
        return rows
    near = np.zeros(len(rows), bool)
    for start in range(0, len(others), _BLOCK):
        near |= (features[rows] @ others[start : start + _BLOCK].T >= alike).any(1)
    return rows[~near]
