"""Label propagation (Zhou et al. 2003) with dense matrices."""

from __future__ import annotations

import numpy as np


def graph(rows: np.ndarray, k: int, gamma: float) -> np.ndarray:
    """S, by loops."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine, count = unit @ unit.T, len(rows)
    near = np.zeros((count, count))
    for i in range(count):
        others = sorted((j for j in range(count) if j != i), key=lambda j: -cosine[i, j])
        for j in others[:k]:
            near[i, j] = max(cosine[i, j], 0.0) ** gamma
    near = near + near.T
    degree = near.sum(1)
    return near / np.sqrt(np.outer(degree, degree))


def spread(
    graph: np.ndarray, labeled: list[int], label: list[int], num_classes: int, alpha: float, uniform_mass: bool
) -> np.ndarray:
    """The normalized solution of (I - alpha S) Z = Y."""
    seeds = np.zeros((len(graph), num_classes))
    for row, number in zip(labeled, label, strict=True):
        seeds[row, number] = 1.0
    found = np.linalg.solve(np.eye(len(graph)) - alpha * graph, seeds)
    if uniform_mass:
        found = found / found.sum(0)
    return found / found.sum(1, keepdims=True)
