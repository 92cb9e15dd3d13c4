"""Clusters of features, and the order in which their members are chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans
from threadpoolctl import threadpool_limits

MOST = 500  # clusters, as in TypiClust
_EXACT = 50  # clusters up to which all rows are used at every step, as in the authors' code of TypiClust
_SMALLEST = 6  # images, as there: smaller clusters are outliers
_STARTS = 3
_FITTED = 5000  # rows that centers are fitted to, at most, in `fit_clusters_quickly`


@dataclass(frozen=True)
class Visit:
    """One choice: a row, and the cluster it stands for, with its numbers of images, labels, and earlier choices."""

    row: int
    size: int
    labels: int
    chosen: int


def fit_clusters(
    features: NDArray[np.float32], count: int, *, seed: int, weights: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The cluster (N,) of each row of `features` (N, D), and the centers (count, D), by k-means.

    Above 50 clusters, by mini-batch k-means, which is much faster.

    Args:
        weights: (N,) of the rows; None weighs all alike.
    """
    kind = KMeans if count <= _EXACT else MiniBatchKMeans
    more = {} if count <= _EXACT else {"batch_size": 4096}
    with threadpool_limits(1):  # several threads would add up in any order
        found = kind(count, n_init=_STARTS, random_state=seed, **more).fit(features, sample_weight=weights)
    return found.labels_.astype(np.int64), found.cluster_centers_.astype(np.float32)


def fit_clusters_quickly(features: NDArray[np.float32], count: int, *, seed: int) -> NDArray[np.int64]:
    """The cluster (N,) of each row of `features` (N, D), by k-means on 5,000 of them, drawn at random.

    Each row belongs to the nearest center. With 5,000 rows or fewer, this is `fit_clusters`.
    """
    if len(features) <= _FITTED:
        return fit_clusters(features, count, seed=seed)[0]
    drawn = np.sort(np.random.default_rng(seed).choice(len(features), _FITTED, replace=False))
    centers = fit_clusters(features[drawn], count, seed=seed)[1]
    with threadpool_limits(1):
        near: NDArray[np.int64] = (features @ centers.T - np.square(centers).sum(1) / 2).argmax(1)
    return near


def visit_clusters(
    cluster: NDArray[np.int64], score: NDArray[np.float64], labeled: NDArray[np.bool_], count: int
) -> list[Visit]:
    """The unlabeled rows with the highest scores of their clusters, from one cluster after the other.

    Clusters come in the order of fewest labels first, then of most images; when all had their turn, they go round
    again. Clusters of five images or fewer are outliers and are left out, until no other has an unlabeled image.

    Args:
        cluster: (N,) of each row.
        score: (N,), the higher the better a row stands for its cluster.
        labeled: (N,), whether a row has a label; such rows are not chosen.
        count: number of rows, at most that of unlabeled ones.
    """
    sizes, labels = np.bincount(cluster), np.bincount(cluster, weights=labeled).astype(np.int64)
    rows = np.flatnonzero(~labeled)
    waiting = {int(k): rows[cluster[rows] == k] for k in np.unique(cluster[rows])}
    waiting = {k: own[np.argsort(-score[own], kind="stable")] for k, own in waiting.items()}
    order = sorted(waiting, key=lambda k: (labels[k], -sizes[k], k))
    visits: list[Visit] = []
    for group in ([k for k in order if sizes[k] >= _SMALLEST], [k for k in order if sizes[k] < _SMALLEST]):
        turns = max((len(waiting[k]) for k in group), default=0)
        for turn in range(turns):
            for k in group:
                if turn < len(waiting[k]) and len(visits) < count:
                    visits.append(Visit(int(waiting[k][turn]), int(sizes[k]), int(labels[k]), turn))
    return visits
