"""Images that a model is unsure of, and that differ from each other. Zhdanov 2019, arXiv:1901.05954."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from tutelage.core.names import shown
from tutelage.curation.selection.clusters import fit_clusters
from tutelage.curation.selection.pick import Pick

Measure = Literal["margin", "entropy"]
_SHARE = 10  # times as many uncertain rows as are chosen, as in the paper
_LEAST = 1e-6  # weight of a row that the model is sure of


def uncertain(
    features: NDArray[np.float32],
    labeled: NDArray[np.bool_],
    count: int,
    probs: NDArray[np.float32],
    classes: Sequence[str],
    *,
    measure: Measure = "margin",
    seed: int,
) -> list[Pick]:
    """The `count` rows to label next, the most uncertain first.

    Of the 10 * `count` most uncertain unlabeled rows, k-means makes `count` clusters, in which rows weigh as much as
    they are uncertain. The row nearest to each center is taken.

    Args:
        features: (N, D), rows of norm 1.
        labeled: (N,), whether a row has a label.
        count: at most the number of unlabeled rows.
        probs: (N, K) of the model.
        classes: K names.
        measure: "margin" is 1 minus the difference of the two largest probabilities; "entropy" is that of the
            distribution, divided by log K.
    """
    score = uncertainty(probs, measure)
    rows = np.flatnonzero(~labeled)
    rows = rows[np.argsort(-score[rows], kind="stable")][: _SHARE * count]
    if len(rows) > count:
        weights = np.maximum(score[rows], _LEAST)
        _, centers = fit_clusters(features[rows], count, seed=seed, weights=weights)
        rows = rows[_nearest_each(features[rows], centers)]
    rows = rows[np.argsort(-score[rows], kind="stable")]
    return [Pick(int(row), wavering(probs[row], classes)) for row in rows]


def uncertainty(probs: NDArray[np.float32], measure: Measure) -> NDArray[np.float64]:
    """(N,) in [0, 1], of class probabilities (N, K); 1 is the most uncertain."""
    values = probs.astype(np.float64)
    if measure == "entropy":
        found: NDArray[np.float64] = entr(values).sum(1) / np.log(values.shape[1])
        return found
    top = np.sort(values, axis=1)
    return 1.0 - (top[:, -1] - top[:, -2])


def _nearest_each(features: NDArray[np.float32], centers: NDArray[np.float32]) -> NDArray[np.int64]:
    """For each center in turn, the row nearest to it among those that are left."""
    cosine = features @ centers.T - 0.5 * (centers**2).sum(1)  # orders rows as their distance does
    taken = np.zeros(len(features), bool)
    for k in range(len(centers)):
        taken[int(np.where(taken, -np.inf, cosine[:, k]).argmax())] = True
    return np.flatnonzero(taken)


def wavering(probs: NDArray[np.float32], classes: Sequence[str]) -> str:
    """What the model holds probable, in words."""
    first, second = np.argsort(-probs, kind="stable")[:2]
    said = [f"{shown(classes[k])} ({100 * probs[k]:.0f}%)" for k in (first, second)]
    if probs[first] - probs[second] > 0.5:
        return f"the model holds {said[0]} more probable than {said[1]}"
    return f"the model wavers between {said[0]} and {said[1]}"
