"""TypiClust: the most typical image of each cluster. Hacohen et al. 2022, arXiv:2202.02794."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from tutelage.core.names import counted
from tutelage.curation.selection.clusters import MOST, Visit, fit_clusters, visit_clusters
from tutelage.curation.selection.pick import Pick

_NEIGHBORS = 20
_TINY = 1e-5  # a distance that copies have


def typiclust(features: NDArray[np.float32], labeled: NDArray[np.bool_], count: int, *, seed: int) -> list[Pick]:
    """The `count` rows to label next, in order.

    There are as many clusters as labels afterwards, at most 500. They are visited in the order of fewest labels, then
    of most images; in each, the unlabeled row with the highest typicality is taken. Labeled rows are not removed from
    their clusters here, as they are in the authors' code: they are neighbors like any other.

    Args:
        features: (N, D), rows of norm 1.
        labeled: (N,), whether a row has a label.
        count: at most the number of unlabeled rows.
    """
    clusters = min(int(labeled.sum()) + count, MOST, len(features))
    cluster, _ = fit_clusters(features, clusters, seed=seed)
    visits = visit_clusters(cluster, typicality(features, cluster), labeled, count)
    return [Pick(visit.row, f"most typical of {described(visit)}") for visit in visits]


def typicality(features: NDArray[np.float32], cluster: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N,): 1 / mean distance of a row to its nearest neighbors within its cluster.

    There are 20 neighbors, or as many as half the cluster. A row that is alone has 0.
    """
    found = np.zeros(len(features))
    for k in np.unique(cluster):
        own = np.flatnonzero(cluster == k)
        near = min(_NEIGHBORS, len(own) // 2)
        if near:
            distances, _ = NearestNeighbors(n_neighbors=near, algorithm="brute").fit(features[own]).kneighbors()
            found[own] = 1.0 / (distances.mean(1) + _TINY)
    return found


def described(visit: Visit) -> str:
    """A cluster in words."""
    labels = "without a label" if not visit.labels else f"with {counted(visit.labels, 'label')}"
    before = f", after {visit.chosen} chosen already" if visit.chosen else ""
    return f"a cluster of {counted(visit.size, 'image')} {labels}{before}"
