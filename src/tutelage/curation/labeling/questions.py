"""Which image to ask about next, and why.

While there are few labels, typical images of clusters that have none: first of ten clusters, then of twice as many,
and so on (TypiClust; Hacohen et al. 2022, arXiv:2202.02794, with clusters that are made once). Later, images that the
model is unsure of, and that differ from each other.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from tutelage.core.names import counted
from tutelage.core.seeding import derived_seed
from tutelage.curation.labeling.audit import is_due
from tutelage.curation.labeling.nearest import NearestLabels
from tutelage.curation.selection.clusters import fit_clusters_quickly
from tutelage.curation.selection.typiclust import typicality
from tutelage.curation.selection.uncertain import uncertainty, wavering

AHEAD = 20  # questions that are ready
_FIRST, _GROWTH = 10, 2  # clusters, and how many times as many there are in the next level
_LEAST = 5  # images of a cluster that is asked about
_PER_CLASS = 3  # labels per class, from which on uncertain images are asked about
_MOST = 400  # clusters
_AT_RANDOM = "drawn at random, to estimate how many labels are right"
_CANDIDATES = 400  # uncertain images among which different ones are chosen


@dataclass(frozen=True)
class Questions:
    """What is asked next.

    Attributes:
        queue: (row, why), in their order.
        asking: the reason of all, in one sentence.
        typical: whether they are about typical images, since there are few labels.
        drawn: the next two images drawn at random, one of which comes in place of every fifth question.
    """

    queue: tuple[tuple[int, str], ...]
    asking: str
    typical: bool = False
    drawn: tuple[int, ...] = ()

    def following(self, answers: int, after: int | None, *, waiting: bool) -> tuple[int, str] | None:
        """The row to ask about next, and why; None if every image has an answer.

        Args:
            answers: number of images that have one.
            after: the row that was asked about before, if any; its successor in the queue is taken.
            waiting: whether `after` has no answer yet, so that the question comes after one more.
        """
        if is_due(answers + waiting) and (fresh := [row for row in self.drawn if row != after]):
            return fresh[0], _AT_RANDOM
        rows = [row for row, _ in self.queue]
        place = (rows.index(after) + 1) % len(rows) if after in rows else 0
        return self.queue[place] if rows else None


@dataclass(frozen=True)
class _Level:
    """Clusters of all images: the cluster (N,) of each, how typical (N,) it is of it, and sizes (C,)."""

    cluster: NDArray[np.int64]
    typical: NDArray[np.float64]
    sizes: NDArray[np.int64]


class Asker:
    """Chooses questions. The clusters of a level are made once, when questions from it are needed.

    Args:
        features: (N, D), rows of norm 1.
        order: (N,) rows in random order, see `audit`.
        alike: cosine from which on two images are near-duplicates; those of images with a label are asked about last.
    """

    def __init__(self, features: NDArray[np.float32], order: NDArray[np.int64], *, alike: float, seed: int) -> None:
        self._features, self._order, self._alike, self._seed = features, order, alike, seed
        most = min(_MOST, max(len(features) // _LEAST, 1))
        self._counts = [min(_FIRST, most)]
        while self._counts[-1] * _GROWTH <= most:
            self._counts.append(self._counts[-1] * _GROWTH)
        self._made: list[_Level] = []

    def choose(
        self,
        labels: NDArray[np.int64],
        answered: NDArray[np.bool_],
        nearest: NearestLabels,
        probs: NDArray[np.float32] | None,
        classes: Sequence[str],
    ) -> Questions:
        """The next questions.

        Args:
            labels: (N,), -1 where unknown.
            answered: (N,), whether an image has an answer.
            probs: (N, K), None without a model.
        """
        fresh = ~answered & (nearest.cosine < self._alike)
        rows = np.flatnonzero(fresh if fresh.any() else ~answered)
        if not len(rows):
            return Questions((), "every image has an answer")
        chosen = self._chosen(rows, labels, answered, nearest, probs, classes)
        return replace(chosen, drawn=tuple(self._order[~answered[self._order]][:2].tolist()))

    def _chosen(
        self,
        rows: NDArray[np.int64],
        labels: NDArray[np.int64],
        answered: NDArray[np.bool_],
        nearest: NearestLabels,
        probs: NDArray[np.float32] | None,
        classes: Sequence[str],
    ) -> Questions:
        """The next of `rows` to ask about, without those that are drawn at random."""
        seen = len(np.unique(labels[labels >= 0]))
        few = int((labels >= 0).sum()) < max(_PER_CLASS * max(seen, len(classes)), _FIRST)
        if (few or probs is None) and (found := self._typical(rows, answered)):
            return Questions(found, "typical images of groups that look alike and have no label yet", True)
        if probs is None:
            order = rows[np.argsort(nearest.cosine[rows], kind="stable")][:AHEAD]
            return Questions(
                tuple((row, "unlike the images with a label") for row in order.tolist()),
                "images unlike those with a label, since all labels so far are of one class",
            )
        return Questions(self._uncertain(rows, probs, classes), "different images that the model is unsure of")

    def _typical(self, rows: NDArray[np.int64], answered: NDArray[np.bool_]) -> tuple[tuple[int, str], ...]:
        """The most typical of `rows` in each cluster without an answer, coarse levels and large clusters first."""
        taken, found = answered.copy(), list[tuple[int, str]]()
        for level in self._levels():
            if len(found) == AHEAD:
                break
            empty = np.bincount(level.cluster[taken], minlength=len(level.sizes)) == 0
            order = np.argsort(-level.sizes, kind="stable")
            for k in order[empty[order] & (level.sizes[order] >= _LEAST)].tolist():
                own = rows[level.cluster[rows] == k]
                if len(own) and len(found) < AHEAD:
                    said = counted(int(level.sizes[k]), "image")
                    row = int(own[level.typical[own].argmax()])
                    found.append((row, f"typical of {said} that look alike, none of which has a label"))
                    taken[row] = True
        return tuple(found)

    def _levels(self) -> Iterator[_Level]:
        """Coarse levels first; those that no question has needed yet are made."""
        for place, count in enumerate(self._counts):
            if place == len(self._made):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)  # of copies, which leave clusters empty
                    seed = derived_seed(self._seed, "label", "clusters") % 2**32
                    cluster = fit_clusters_quickly(self._features, count, seed=seed)
                    sizes = np.bincount(cluster, minlength=count)
                    self._made.append(_Level(cluster, typicality(self._features, cluster), sizes))
            yield self._made[place]

    def _uncertain(
        self, rows: NDArray[np.int64], probs: NDArray[np.float32], classes: Sequence[str]
    ) -> tuple[tuple[int, str], ...]:
        """The most uncertain of `rows`, each chosen with those before it in mind: their likeness counts against it."""
        score = uncertainty(probs[rows], "margin")
        order = np.argsort(-score, kind="stable")[:_CANDIDATES]
        rows, score = rows[order], score[order]
        features, like = self._features[rows], np.zeros(len(rows), np.float32)
        found = []
        for _ in range(min(AHEAD, len(rows))):
            place = int((score * (1.0 - like)).argmax())
            found.append((int(rows[place]), wavering(probs[rows[place]], classes)))
            score[place] = -1.0
            like = np.maximum(like, np.clip(features @ features[place], 0.0, 1.0))
        return tuple(found)
