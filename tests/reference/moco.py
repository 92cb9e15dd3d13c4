"""MoCo as naive float64 loops, written from algorithm 1 of arXiv:1911.05722 and the definitions of arXiv:2005.10242."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Array = np.ndarray


def unit(row: Array) -> Array:
    """A row of length 1."""
    return row / math.sqrt(sum(value * value for value in row))


def project(image: Array, weights: Sequence[Array]) -> Array:
    """The projection of an image whose features are its pixels: weight and bias of one layer, or of two with ReLU."""
    hidden = weights[0] @ image + weights[1]
    if len(weights) == 2:
        return hidden
    return weights[2] @ np.array([max(value, 0.0) for value in hidden]) + weights[3]


def loss(queries: Array, keys: Array, queue: Array, temperature: float) -> float:
    """mean_i -log( exp(q_i.k_i / T) / (exp(q_i.k_i / T) + sum_j exp(q_i.n_j / T)) )."""
    total = 0.0
    for query, key in zip(queries, keys, strict=True):
        positive = math.exp(float(query @ key) / temperature)
        negatives = sum(math.exp(float(query @ other) / temperature) for other in queue)
        total -= math.log(positive / (positive + negatives))
    return total / len(queries)


def enqueue(queue: Array, end: int, keys: Array) -> tuple[Array, int]:
    """The queue after each key has taken the place of the oldest one, and where the next goes."""
    queue = queue.copy()
    for key in keys:
        queue[end] = key
        end = 0 if end + 1 == len(queue) else end + 1
    return queue, end


def uniformity(rows: Array) -> float:
    """log of the mean of exp(-2 |a - b|^2) over ordered pairs of different rows."""
    values = [
        math.exp(-2.0 * float(((a - b) ** 2).sum())) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j
    ]
    return math.log(sum(values) / len(values))


def effective_rank(features: Array) -> float:
    """exp of the Renyi entropy of order 2 of the eigenvalues of the covariance, as shares of their sum."""
    values = np.linalg.eigvalsh(np.cov(features.T, bias=True))
    shares = values / values.sum()
    return float(math.exp(-math.log(sum(share**2 for share in shares))))
