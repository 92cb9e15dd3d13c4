"""Class means and soft k-means (Snell et al. 2017, Ren et al. 2018), by loops."""

from __future__ import annotations

import math

import numpy as np


def unit(row: np.ndarray) -> np.ndarray:
    length = math.sqrt(sum(float(v) ** 2 for v in row))
    return row / length if length else row


def assigned(row: np.ndarray, means: list[np.ndarray], temperature: float) -> list[float]:
    """softmax(cos / T) over the classes that have a mean."""
    weights = [
        math.exp(float(unit(row) @ mean) / temperature) if np.abs(mean).sum() else 0.0  # a class without labels
        for mean in means
    ]
    return [weight / sum(weights) for weight in weights]


def means(
    labeled: np.ndarray, label: list[int], unlabeled: np.ndarray, classes: int, temperature: float, rounds: int
) -> list[np.ndarray]:
    """c_k of unit length: of the labeled rows of class k, and of the unlabeled rows by their share in it."""
    found = []
    for k in range(classes):
        own = [unit(row) for row, y in zip(labeled, label, strict=True) if y == k]
        found.append(unit(np.sum(own, axis=0)) if own else np.zeros(labeled.shape[1]))
    for _ in range(rounds):
        shares = [assigned(row, found, temperature) for row in unlabeled]
        moved = []
        for k in range(classes):
            total = np.zeros(labeled.shape[1])
            for row, y in zip(labeled, label, strict=True):
                total += unit(row) * (y == k)
            for row, share in zip(unlabeled, shares, strict=True):
                total += share[k] * unit(row)
            moved.append(unit(total))
        found = moved
    return found
