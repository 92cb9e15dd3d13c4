"""How many of the model's labels are right, as far as the labels tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEAST = 5  # labels
HOW = (
    "each label is compared with what a model says that was trained without it and a fifth of the others; a label "
    "counts for as many images as it is the nearest one of. Labeled images were chosen, not drawn at random, so that "
    "the share among the others may lie outside of the interval"
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
    label: NDArray[np.int64], told: NDArray[np.int64], weight: NDArray[np.float64]
) -> Estimate | None:
    """The weighted share of labels that are right, and Wilson's interval for the effective number of labels.

    That number is (sum w)^2 / sum w^2 (Kish 1965), and at most the number of labels.

    Args:
        label: (n,) classes.
        told: (n,) those that a model said which was trained without the label.
        weight: (n,) at least 0.

    Returns:
        None with fewer than five labels, or if all of them are of one class.
    """
    if len(label) < LEAST or len(np.unique(label)) < 2:
        return None
    right = told == label
    share = float((weight * right).sum() / weight.sum())
    effective = float(weight.sum() ** 2 / np.square(weight).sum())
    wrong = np.flatnonzero(~right)
    pairs, counts = np.unique(np.sort(np.stack([told[wrong], label[wrong]], 1), axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    found = zip(pairs[order].tolist(), counts[order].tolist(), strict=True)
    return Estimate(share, *_wilson(share, effective), len(label), tuple((a, b, count) for (a, b), count in found))


def _wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95% interval of a share of n items, which need not be whole."""
    z = float(stats.norm.ppf(0.975))
    center = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(center - half, 0.0), min(center + half, 1.0)
