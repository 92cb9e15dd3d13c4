"""MixMatch (arXiv:1905.02249, algorithm 1 and equations 3 to 13) with plain loops."""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray


def probs(logits: Array) -> list[float]:
    """(K,) to K numbers."""
    parts = [math.exp(z - max(logits)) for z in logits]
    return [part / sum(parts) for part in parts]


def sharpen(p: list[float], temperature: float) -> list[float]:
    """Equation 7."""
    powers = [value ** (1 / temperature) for value in p]
    return [power / sum(powers) for power in powers]


def guess(views: list[Array], temperature: float) -> list[list[float]]:
    """Equations 6 and 7, for the logits (B, K) of each view."""
    out = []
    for row in range(len(views[0])):
        each = [probs(view[row]) for view in views]
        mean = [sum(p[k] for p in each) / len(each) for k in range(len(each[0]))]
        out.append(sharpen(mean, temperature))
    return out


def mix(rows: Array, shares: Array, partners: Array) -> Array:
    """Equations 9 to 11 of each row and its partner, for drawn shares."""
    out = np.empty_like(rows)
    for row in range(len(rows)):
        share = max(shares[row], 1 - shares[row])
        out[row] = share * rows[row] + (1 - share) * rows[partners[row]]
    return out


def soft_cross_entropy(logits: Array, label: Array) -> float:
    """-sum_k label_k log p_k, averaged over rows."""
    total = 0.0
    for z, y in zip(logits, label, strict=True):
        total -= sum(y_k * math.log(p_k) for y_k, p_k in zip(y, probs(z), strict=True))
    return total / len(logits)


def squared_error(logits: Array, label: Array) -> float:
    """sum_k (label_k - p_k)^2 / K, averaged over rows."""
    total = 0.0
    for z, y in zip(logits, label, strict=True):
        total += sum((y_k - p_k) ** 2 for y_k, p_k in zip(y, probs(z), strict=True)) / len(y)
    return total / len(logits)
