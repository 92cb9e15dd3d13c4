"""Which image to ask about next, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tutelage.core.names import counted
from tutelage.curation.selection.clusters import fit_clusters
from tutelage.curation.selection.typiclust import typicality
from tutelage.curation.selection.uncertain import uncertainty, wavering

_AHEAD = 20  # questions that are ready
_LEVELS = (10, 20, 40, 80)


@dataclass(frozen=True)
class Questions:
    """What is asked next: (row, why) in their order, and the reason of all in one sentence."""

    queue: tuple[tuple[int, str], ...]
    asking: str


class Asker:
    """Chooses questions; clusters are made once, at the start.

    Args:
        features: (N, D), rows of norm 1.
        alike: cosine from which on two images are near-duplicates.
    """

    def __init__(self, features: NDArray[np.float32], *, alike: float, seed: int) -> None:
        self._features, self._alike = features, alike
        self._levels = []
        for count in _LEVELS:
            if count * 3 <= len(features):
                cluster, _ = fit_clusters(features, count, seed=seed % 2**32)
                self._levels.append((cluster, typicality(features, cluster)))

    def choose(
        self,
        open_rows: NDArray[np.int64],
        labeled: NDArray[np.bool_],
        probs: NDArray[np.float32] | None,
        classes: Sequence[str],
    ) -> Questions:
        """The next questions among `open_rows`."""
        if not len(open_rows):
            return Questions((), "every image has an answer")
        is_open = np.zeros(len(labeled), bool)
        is_open[open_rows] = True
        for cluster, typical in self._levels:
            sizes = np.bincount(cluster)
            empty = np.setdiff1d(np.unique(cluster[is_open]), cluster[labeled])
            if len(empty):
                order = empty[np.argsort(-sizes[empty], kind="stable")][:_AHEAD]
                queue = []
                for k in order:
                    own = open_rows[cluster[open_rows] == k]
                    row = int(own[typical[own].argmax()])
                    queue.append(
                        (row, f"most typical of a cluster of {counted(int(sizes[k]), 'image')} without a label")
                    )
                return Questions(tuple(queue), "typical images of clusters that have no label yet")
        if probs is None:
            return Questions(
                tuple((int(row), "no class is known yet that it could be told from") for row in open_rows[:_AHEAD]),
                "any image, since all labels so far are of one class",
            )
        score = uncertainty(probs[open_rows], "margin")
        rows = open_rows[np.argsort(-score, kind="stable")][:_AHEAD]
        return Questions(
            tuple((int(row), wavering(probs[row], classes)) for row in rows), "images that the model is unsure of"
        )
