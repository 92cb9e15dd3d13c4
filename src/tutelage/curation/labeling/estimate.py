"""How many of the model's labels are right, as far as the labels tell."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEAST = 5  # labels
_BIN, _MOST_BINS = 5, 5  # labels in a bin at least, and bins at most
HOW = (
    "each label is compared with what a model says that was trained without it and a fifth of the labels; labels are "
    "weighted so that this model is as sure of them as the model is of the images without a label. The lower end of "
    "the interval is at most the mean probability that the model gives its labels. Labeled images were chosen, not "
    "drawn at random, so that the true share may still lie outside of the interval"
)


@dataclass(frozen=True)
class PileEstimate:
    """The share of the model's labels that are right, with its 95% interval, and (a, b, count) of confusions."""

    accuracy: float
    low: float
    high: float
    labels: int
    confused: tuple[tuple[int, int, int], ...]


def estimate_accuracy(
    label: NDArray[np.int64], told: NDArray[np.int64], sureness: NDArray[np.float32], rest: NDArray[np.float32]
) -> PileEstimate | None:
    """The share of the model's labels of the other images that are right, with Wilson's interval.

    The share is a weighted one of the labels, see `weights`, and the interval is that for the effective number of
    labels, (sum w)^2 / sum w^2 (Kish 1965). It is widened down to the mean probability that the model gives its labels:
    images that were confirmed in groups are easier than those that are left.

    Args:
        label: (n,) classes; -1 for an image of which it is only known that it is not of the class that was told.
        told: (n,) those that a model said which was trained without the label.
        sureness: (n,) the probability that it gave them.
        rest: (m,) the probability that the model gives its labels of the images without an answer.

    Returns:
        None with fewer than five labels, if all of them are of one class, or if every image has an answer.
    """
    known = int((label >= 0).sum())
    if known < LEAST or len(np.unique(label[label >= 0])) < 2 or not len(rest):
        return None
    weight = weights(sureness, rest)
    right = told == label
    share = float((weight * right).sum() / weight.sum())
    effective = float(weight.sum() ** 2 / np.square(weight).sum())
    wrong = np.flatnonzero(~right & (label >= 0))
    pairs, counts = np.unique(np.sort(np.stack([told[wrong], label[wrong]], 1), axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    found = zip(pairs[order].tolist(), counts[order].tolist(), strict=True)
    low, high = _wilson(share, effective)
    confused = tuple((a, b, count) for (a, b), count in found)
    return PileEstimate(share, min(low, float(rest.mean())), high, known, confused)


def with_rejected(found: PileEstimate, rest: int, sureness: NDArray[np.float32]) -> PileEstimate:
    """The estimate for images without an answer if some had a label of the model that a person rejected.

    Nothing tells how often the model is right about these at the second try: the share counts its probabilities, the
    lower end none of them, and the upper end all.

    Args:
        rest: number of the other images without an answer, which `found` is about.
        sureness: (r,) the probability of the second try.
    """
    part = len(sureness) / max(rest + len(sureness), 1)
    share = (1 - part) * found.accuracy + (part * float(sureness.mean()) if part else 0.0)
    return replace(found, accuracy=share, low=(1 - part) * found.low, high=(1 - part) * found.high + part)


def weights(sureness: NDArray[np.float32], rest: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) of labels: post-stratification by how sure a model is, so that labels stand for the images without one.

    Bins are fifths of the images without an answer, joined with a neighbor where they have fewer than five labels. The
    labels of a bin share the number of images in it.
    """
    edges = np.quantile(rest, np.arange(1, _MOST_BINS) / _MOST_BINS)
    while len(edges):
        there = np.bincount(np.digitize(sureness, edges), minlength=len(edges) + 1)
        fewest = int(there.argmin())
        if there[fewest] >= _BIN:
            break
        edges = np.delete(edges, min(fewest, len(edges) - 1))
    own, others = np.digitize(sureness, edges), np.digitize(rest, edges)
    shares = np.bincount(others, minlength=len(edges) + 1) / np.bincount(own, minlength=len(edges) + 1)
    found: NDArray[np.float64] = shares[own]
    return found


def _wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95% interval of a share of n items, which need not be whole."""
    z = float(stats.norm.ppf(0.975))
    center = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(center - half, 0.0), min(center + half, 1.0)
