"""How many of the model's labels are right, as far as the labels tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tutelage.core.intervals import share_interval
from tutelage.core.logistic import fit_logistic

LEAST = 5  # labels, of two classes
_FOLDS, _L2 = 5, 0.08
HOW = (
    "each label is compared with what a model says that was trained without it; the labeled images were chosen and "
    "not drawn at random, so the share among the others may differ"
)


@dataclass(frozen=True)
class Estimate:
    """The share of the model's labels that are right, with its 95% interval, and (a, b, count) of confusions."""

    accuracy: float
    low: float
    high: float
    labels: int
    confused: tuple[tuple[int, int, int], ...]


def estimate_accuracy(features: NDArray[np.float32], labels: NDArray[np.int64]) -> Estimate | None:
    """From labels (n,) of images with features (n, D); None if there are fewer than five, or all of one class."""
    classes, label = np.unique(labels, return_inverse=True)
    if len(labels) < LEAST or len(classes) < 2:
        return None
    fold = np.empty(len(label), np.int64)
    fold[np.argsort(label, kind="stable")] = np.arange(len(label)) % _FOLDS
    rows, told = torch.from_numpy(features) * features.shape[1] ** 0.5, np.empty(len(label), np.int64)
    for number in range(_FOLDS):
        kept = torch.from_numpy(fold != number)
        weight, bias = fit_logistic(rows[kept], torch.from_numpy(label)[kept], len(classes), l2=_L2)
        told[fold == number] = (rows[~kept] @ weight.T + bias).argmax(1).numpy()
    wrong = np.flatnonzero(told != label)
    pairs, counts = np.unique(np.sort(np.stack([told[wrong], label[wrong]], 1), axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    found = zip(classes[pairs[order]].tolist(), counts[order].tolist(), strict=True)
    confused = tuple((a, b, count) for (a, b), count in found)
    share = 1.0 - len(wrong) / len(label)
    return Estimate(share, *share_interval(share, len(label)), len(label), confused)
