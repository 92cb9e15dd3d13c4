"""Few labels dealt into parts, so that each is scored by probes that have not seen it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tutelage.core.seeding import derived_seed

MOST = 5  # parts

Rows = NDArray[np.int64]


def most_folds(label: Rows, digests: Sequence[bytes], num_classes: int) -> int:
    """Number of parts, at most 5, such that each class is in all of them; below 2 there is no such way.

    Args:
        label: (N,) class indices.
        digests: (N,) what is equal for copies of an image, which count as one.
    """
    _, first = np.unique(np.array(digests), return_index=True)
    return min(MOST, int(np.bincount(label[first], minlength=num_classes).min()))


def deal(label: Rows, digests: Sequence[bytes], folds: int, *, seed: int) -> list[tuple[Rows, Rows]]:
    """(rows to learn from, rows to score) of each part; a row is scored once, and copies of it are never learned from.

    Each class is dealt out in turn, in an order drawn by `seed`.
    """
    _, first, content = np.unique(np.array(digests), return_index=True, return_inverse=True)
    part = np.empty(len(label), np.int64)
    draw = np.random.default_rng(derived_seed(seed, "probe", "folds"))
    for number, name in enumerate(np.unique(label)):
        own = draw.permutation(np.sort(first[label[first] == name]))
        part[own] = (np.arange(len(own)) + number) % folds
    part = part[first[content]]
    return [(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in range(folds)]
