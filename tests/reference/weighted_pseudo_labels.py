"""FixMatch's loss with any weight for each pseudo-label, in which its successors differ; loops in float64."""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray


def softmax(logits: Array) -> Array:
    """(B, K) to (B, K)."""
    powers = np.array([[math.exp(logit) for logit in row] for row in logits])
    return np.array([row / sum(row) for row in powers])


def losses(labeled: Array, label: Array, weak: Array, strong: Array, weight: Array) -> tuple[float, float]:
    """Supervised and unsupervised: sums of -log p over rows, the second weighted; both over the number of rows."""
    supervised = sum(-math.log(row[k]) for row, k in zip(softmax(labeled), label, strict=True)) / len(label)
    unsupervised = 0.0
    for p_weak, p_strong, w in zip(softmax(weak), softmax(strong), weight, strict=True):
        unsupervised += w * -math.log(p_strong[int(np.argmax(p_weak))])
    return supervised, unsupervised / len(weight)
