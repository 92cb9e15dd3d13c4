"""How often each class is taken for each other, as counts of what occurs: thousands of classes take no more memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MATRIX, COUNTS = "confusion_matrix", "confusion"
_MOST = 200  # classes of which the whole matrix is written


def confusion_counts(label: np.ndarray, predicted: np.ndarray, num_classes: int) -> csr_array:
    """(K, K) counts, with one row per true class and one column per predicted class, of two arrays (N,) of classes."""
    from scipy.sparse import csr_array  # takes a while to import, here and below

    ones = np.ones(len(label), np.int64)
    return csr_array((ones, (label, predicted)), shape=(num_classes, num_classes))


def confusion_to_json(counts: csr_array) -> dict[str, Any]:
    """The matrix as lists; with more than 200 classes three lists: true class, predicted class, and their count."""
    if counts.shape[0] <= _MOST:
        return {MATRIX: counts.toarray().tolist()}
    found = counts.tocoo()
    named = {"true": found.row, "predicted": found.col, "count": found.data}
    return {COUNTS: {name: values.tolist() for name, values in named.items()}}


def confusion_of(scores: Mapping[str, Any]) -> csr_array | None:
    """The counts in scores that were written; None if there are none, as for scans."""
    from scipy.sparse import csr_array

    if MATRIX in scores:
        return csr_array(np.asarray(scores[MATRIX], np.int64))
    if COUNTS not in scores:
        return None
    k, found = len(scores["per_class"]), scores[COUNTS]
    places = np.asarray(found["true"], np.int64), np.asarray(found["predicted"], np.int64)
    return csr_array((np.asarray(found["count"], np.int64), places), shape=(k, k))
