"""The image nearest to the center of each k-means cluster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tutelage.curation.selection.clusters import MOST, fit_clusters, visit_clusters
from tutelage.curation.selection.pick import Pick
from tutelage.curation.selection.typiclust import described


def medoids(features: NDArray[np.float32], labeled: NDArray[np.bool_], count: int, *, seed: int) -> list[Pick]:
    """The `count` rows to label next, in order; clusters are visited as in `typiclust`.

    Args:
        features: (N, D), rows of norm 1.
        labeled: (N,), whether a row has a label.
        count: at most the number of unlabeled rows.
    """
    clusters = min(int(labeled.sum()) + count, MOST, len(features))
    cluster, centers = fit_clusters(features, clusters, seed=seed)
    distance = np.linalg.norm(features - centers[cluster], axis=1).astype(np.float64)
    visits = visit_clusters(cluster, -distance, labeled, count)
    return [Pick(visit.row, f"nearest to the center of {described(visit)}") for visit in visits]
