"""How many of the model's labels are right, as far as the labels tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEAST = 5  # labels
_BIN, _MOST_BINS = 10, 5  # labels in a bin, and bins
HOW = (
    "each label is compared with what a model says that was trained without it and a fifth of the labels; labels are "
    "weighted so that this model is as sure of them as the model is of the images without a label. Labeled images were "
    "chosen, not drawn at random, so that the true share may lie outside of the interval"
)


@dataclass(frozen=True)
class Estimate:
    """The share of the model's labels that are right, with its 95% interval, and (a, b, count) of confusions."""

    accuracy: float
    low: float
    high: float
    labels: int
    confused: tuple[tuple[int, int, int], ...]


def estimate_accuracy(
    label: NDArray[np.int64], told: NDArray[np.int64], sureness: NDArray[np.float32], rest: NDArray[np.float32]
) -> Estimate | None:
    """The share of the model's labels of the other images that are right, with Wilson's interval.

    The share is a weighted one of the labels, see `weights`, and the interval is that for the effective number of
    labels, (sum w)^2 / sum w^2 (Kish 1965).

    Args:
        label: (n,) classes.
        told: (n,) those that a model said which was trained without the label.
        sureness: (n,) the probability that it gave them.
        rest: (m,) the probability that the model gives its labels of the images without an answer.

    Returns:
        None with fewer than five labels, if all of them are of one class, or if every image has an answer.
    """
    if len(label) < LEAST or len(np.unique(label)) < 2 or not len(rest):
        return None
    weight = weights(sureness, rest)
    right = told == label
    share = float((weight * right).sum() / weight.sum())
    effective = float(weight.sum() ** 2 / np.square(weight).sum())
    wrong = np.flatnonzero(~right)
    pairs, counts = np.unique(np.sort(np.stack([told[wrong], label[wrong]], 1), axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    found = zip(pairs[order].tolist(), counts[order].tolist(), strict=True)
    return Estimate(share, *_wilson(share, effective), len(label), tuple((a, b, count) for (a, b), count in found))


def weights(sureness: NDArray[np.float32], rest: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) of labels: post-stratification by how sure a model is, so that labels stand for the images without one.

    Bins have ten labels or more, and there are five at most. The labels of a bin share the number of images in it.
    """
    count = int(np.clip(len(sureness) // _BIN, 1, _MOST_BINS))
    edges = np.quantile(sureness, np.arange(1, count) / count)
    own, others = np.digitize(sureness, edges), np.digitize(rest, edges)
    there = np.maximum(np.bincount(own, minlength=count), 1)
    found: NDArray[np.float64] = (np.bincount(others, minlength=count) / there)[own]
    return found if found.any() else np.ones(len(own))


def _wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95% interval of a share of n items, which need not be whole."""
    z = float(stats.norm.ppf(0.975))
    center = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(center - half, 0.0), min(center + half, 1.0)
