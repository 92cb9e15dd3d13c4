"""Cross-validation for few labels: each image is scored by a probe that was not trained on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tutelage.core.seeding import derived_seed

MOST = 5  # folds

Rows = NDArray[np.int64]


def most_folds(label: Rows, digests: Sequence[bytes], num_classes: int) -> int:
    """Number of folds, at most 5, such that each fold contains all classes; below 2, there is no such split.

    Args:
        label: (N,) class indices.
        digests: (N,) hashes that are equal for copies of an image; copies count as one image.
    """
    _, first = np.unique(np.array(digests), return_index=True)
    return min(MOST, int(np.bincount(label[first], minlength=num_classes).min()))


def deal(label: Rows, digests: Sequence[bytes], folds: int, *, seed: int) -> list[tuple[Rows, Rows]]:
    """(rows to train on, rows to score) of each fold. Each row is scored once; its copies are not trained on then.

    The images of each class are assigned to the folds in turn, in an order drawn from `seed`.
    """
    _, first, content = np.unique(np.array(digests), return_index=True, return_inverse=True)
    part = np.empty(len(label), np.int64)
    draw = np.random.default_rng(derived_seed(seed, "probe", "folds"))
    for number, name in enumerate(np.unique(label)):
        own = draw.permutation(np.sort(first[label[first] == name]))
        part[own] = (np.arange(len(own)) + number) % folds
    part = part[first[content]]
    return [(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in range(folds)]
