"""How many of the model's labels are right, going by images that were drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEAST = 5  # labels of images drawn at random
_BIN, _MOST_BINS = 5, 5  # labels in a bin at least, and bins at most
_SLIPS = 1.0  # labels that may be slips of a finger, as far as the upper end is concerned
_PRIOR = 0.5  # of Jeffreys
_TAIL = 0.025  # on either side of the interval
HOW = (
    "Every fifth question is about an image drawn at random. Its label is compared with what a model says that was "
    "trained without it and a fifth of the labels. These images are weighted so that this model is as sure of them as "
    "the model is of the images without a label. The range is wide while they are few; it allows for one slip of a "
    "finger among them."
)


@dataclass(frozen=True)
class Judged:
    """Labels, and what models make of them.

    Attributes:
        label: (n,) classes.
        told: (n,) those that a model says which was trained without the label.
        sureness: (n,) the probability that it gives them.
        said: (n,) the classes that the model says which was trained with all labels.
        drawn: (n,), whether an image was drawn at random.
    """

    label: NDArray[np.int64]
    told: NDArray[np.int64]
    sureness: NDArray[np.float32]
    said: NDArray[np.int64]
    drawn: NDArray[np.bool_]


@dataclass(frozen=True)
class PileEstimate:
    """The share of the model's labels that are right, with its 95% interval, and how many labels it goes by."""

    accuracy: float
    low: float
    high: float
    labels: int


def estimate_accuracy(judged: Judged, rest: NDArray[np.float32]) -> PileEstimate | None:
    """The share of the model's labels of the images without an answer that are right.

    It is the weighted share of the images drawn at random whose label a model says that was trained without it; see
    `weights`. The interval is that of the number of right ones among the images without an answer, if it is drawn from
    what is known of the share: the beta-binomial distribution for Jeffreys' prior and the effective number of labels,
    (sum w)^2 / sum w^2 (Kish 1965). Few labels make it wide, and so do few images without an answer.

    Two things make the share too low rather than too high: the model that is asked lacks a fifth of the labels, and
    some labels are wrong. For the upper end, labels that the model contradicts though it was trained with them count as
    right, and so does one label more.

    Args:
        rest: (m,) the probability that the model gives its labels of the images without an answer.

    Returns:
        None with fewer than five labels of images drawn at random, or if every image has an answer.
    """
    label, told, sureness = judged.label[judged.drawn], judged.told[judged.drawn], judged.sureness[judged.drawn]
    if len(label) < LEAST or not len(rest):
        return None
    weight = weights(sureness, rest)
    weight /= weight.sum()
    effective = 1.0 / float(np.square(weight).sum())
    share = min(float(weight @ (told == label)), 1.0)
    best = float(weight @ ((told == label) | (judged.said[judged.drawn] != label)))
    low = _quantile(_TAIL, share * effective, effective, len(rest))
    high = _quantile(1.0 - _TAIL, min(best * effective + _SLIPS, effective), effective, len(rest))
    return PileEstimate(share, min(low, share), max(high, share), len(label))


def confusions(label: NDArray[np.int64], told: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """(a, b, count): pairs of classes, a < b, of the labels that a model trained without them got wrong."""
    wrong = np.flatnonzero(told != label)
    pairs, counts = np.unique(np.sort(np.stack([told[wrong], label[wrong]], 1), axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(a, b, count) for (a, b), count in zip(pairs[order].tolist(), counts[order].tolist(), strict=True)]


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


def _quantile(at: float, right: float, labels: float, images: int) -> float:
    """The quantile of the share of `images` that are right if `right` of `labels` were, which need not be whole."""
    number = stats.betabinom.ppf(at, images, right + _PRIOR, labels - right + _PRIOR)
    return float(number) / images
