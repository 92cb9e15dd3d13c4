"""Pi-model, Temporal Ensembling and SNTG as naive float64 loops, written from the formulas of the papers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Array = np.ndarray


def softmax(logits: Array) -> Array:
    """(K,) to (K,)."""
    powers = [math.exp(logit - max(logits)) for logit in logits]
    return np.array([power / sum(powers) for power in powers])


def class_loss(logits: Array, label: Array, rows: int) -> float:
    """- sum over the labeled rows (the first ones) of log p(label), divided by `rows`."""
    return -sum(math.log(softmax(z)[k]) for z, k in zip(logits, label, strict=False)) / rows


def squared_error(p: Array, q: Array) -> float:
    """1/K sum_k (p_k - q_k)^2."""
    return sum((p[k] - q[k]) ** 2 for k in range(len(p))) / len(p)


def ramp(shape: str, t: float) -> float:
    """The ramp-up at the share t of its length."""
    return min(t, 1.0) if shape == "linear" else math.exp(-5.0 * (1.0 - min(t, 1.0)) ** 2)


def neighbor_loss(features: Array, label: Sequence[int], order: Sequence[int], margin: float, distance: str) -> float:
    """SNTG's cost: the row at place i of the order is paired with that half the rows later; -1 is an unknown label."""
    half, total = len(order) // 2, 0.0
    for a, b in zip(order[:half], order[half : 2 * half], strict=True):
        if label[a] == -1 or label[b] == -1:
            continue
        squares = [(features[a][f] - features[b][f]) ** 2 for f in range(features.shape[1])]
        squared = sum(squares) / len(squares) if distance == "mean" else sum(squares)
        total += squared if label[a] == label[b] else max(0.0, margin - math.sqrt(squared)) ** 2
    return total / half


def epochwise_targets(probs: Array, decay: float) -> Array:
    """Temporal Ensembling's targets (epochs, N, K) from each epoch's predictions (epochs, N, K), as the paper has them:
    after each epoch Z <- a Z + (1 - a) z and target = Z / (1 - a^epochs); those of the first epoch are zero."""
    targets, z = np.zeros_like(probs), np.zeros(probs.shape[1:])
    for epoch in range(len(probs) - 1):
        z = decay * z + (1 - decay) * probs[epoch]
        targets[epoch + 1] = z / (1 - decay ** (epoch + 1))
    return targets
