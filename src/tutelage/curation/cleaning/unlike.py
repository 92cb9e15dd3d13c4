"""Images that do not belong: far from all others, from the others of their class, or from every class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEIGHBORS = 10  # among all images
NEAREST_LABELED = 5
OWN_SHARE = 0.25  # of its class, to which the distance of a labeled image is taken
DEVIATIONS = 3.0
LEAST = 20  # images, or labels, below which there is no telling what is usual
_BLOCK = 512  # rows whose distances are in memory at a time
Features = NDArray[np.float32]
Rows = NDArray[np.int64]
Distances = NDArray[np.float32]


def nearest_distances(features: Features, bank: Features, *, k: int, own: Rows | None = None) -> Distances:
    """(N,) float32 in [0, 2]: 1 - cosine of each row and its k-th nearest row of `bank`.

    Args:
        features: (N, D), and `bank` (M, D), rows of norm 1.
        k: at least 1; M, or M - 1, if that is smaller.
        own: (N,) the row of `bank` that is the image itself and does not count, -1 if none is.
    """
    found = np.zeros(len(features), np.float32)
    k = min(k, len(bank) - (own is not None))
    for start in range(0, len(features) if k > 0 else 0, _BLOCK):
        cosine = features[start : start + _BLOCK] @ bank.T
        if own is not None:
            there = np.flatnonzero(own[start : start + _BLOCK] >= 0)
            cosine[there, own[start : start + _BLOCK][there]] = -np.inf
        found[start : start + _BLOCK] = 1.0 - np.partition(cosine, -k, axis=1)[:, -k]
    return found


def far_from_all(features: Features) -> tuple[Rows, Distances]:
    """Rows that are far from all others, the farthest first, and by how many deviations (see `deviations`).

    A group of 10 or more foreign images that resemble each other is not found: nothing tells it from a class.
    """
    if len(features) < LEAST:
        return _none()
    distance = nearest_distances(features, features, k=NEIGHBORS, own=np.arange(len(features)))
    return _above(np.arange(len(features)), deviations(distance, distance))


def far_from_own_class(features: Features, labels: Rows) -> tuple[Rows, Distances]:
    """Labeled rows that are far from a quarter of their class, the farthest first, and by how many deviations.

    The deviation is that of the images that are nearer than the median, so that a large number of foreign images does
    not hide itself.

    Args:
        labels: (N,) -1 where unknown.
    """
    known = np.flatnonzero(labels >= 0)
    if len(known) < LEAST:
        return _none()
    distance = np.zeros(len(labels), np.float32)
    for number in np.unique(labels[known]):
        own = np.flatnonzero(labels == number)
        if len(own) > 1:
            k = max(1, round(OWN_SHARE * (len(own) - 1)))
            distance[own] = nearest_distances(features[own], features[own], k=k, own=np.arange(len(own)))
    values = distance[known]
    middle = float(np.median(values))
    spread = max(middle - float(np.quantile(values, 0.1587)), 1e-6)
    return _above(known, (values - middle) / spread)


def of_no_class(features: Features, labels: Rows) -> tuple[Rows, Distances]:
    """Unlabeled rows that are far from all labeled ones, the farthest first, and by how many deviations.

    What is usual is the distance of a labeled image to the other labeled ones.

    Args:
        labels: (N,) -1 where unknown.
    """
    known, others = np.flatnonzero(labels >= 0), np.flatnonzero(labels < 0)
    if len(known) < LEAST or not len(others):
        return _none()
    k = max(1, min(NEAREST_LABELED, len(known) // (4 * len(np.unique(labels[known])))))
    usual = nearest_distances(features[known], features[known], k=k, own=np.arange(len(known)))
    return _above(others, deviations(nearest_distances(features[others], features[known], k=k), usual))


def deviations(values: Distances, usual: Distances) -> Distances:
    """By how many standard deviations values exceed the median of the `usual` ones, both estimated robustly.

    The deviation is 1.4826 times the median absolute deviation.
    """
    middle = np.median(usual)
    spread = max(1.4826 * float(np.median(np.abs(usual - middle))), 1e-6)
    return ((values - middle) / spread).astype(np.float32)


def _above(rows: Rows, score: Distances) -> tuple[Rows, Distances]:
    far = np.flatnonzero(score > DEVIATIONS)
    order = far[np.argsort(-score[far], kind="stable")]
    return rows[order], score[order]


def _none() -> tuple[Rows, Distances]:
    return np.zeros(0, np.int64), np.zeros(0, np.float32)
