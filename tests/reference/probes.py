"""Probes from their formulas, in float64 and one image at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def knn_scores(queries: Floats, bank: Floats, label: NDArray[np.int64], classes: int, k: int, t: float) -> Floats:
    """Wu et al. 2018, equation 12: each of the k nearest votes for its class with exp(cosine / t)."""
    scores = np.zeros((len(queries), classes))
    for number, query in enumerate(queries):
        cosine = [float(query @ row / np.linalg.norm(query) / np.linalg.norm(row)) for row in bank]
        for row in sorted(range(len(bank)), key=lambda row: -cosine[row])[:k]:
            scores[number, label[row]] += np.exp(cosine[row] / t)
    return scores


def linear_probe(
    batches: list[list[tuple[Floats, NDArray[np.int64]]]], weight: Floats, lr: list[float], momentum: float
) -> tuple[Floats, Floats]:
    """SGD with momentum on the cross-entropy of W x + b: batches by epoch, a learning rate an epoch, b from 0."""
    bias, classes = np.zeros(len(weight)), len(weight)
    step_w, step_b = np.zeros_like(weight), np.zeros_like(bias)
    for epoch, rows in enumerate(batches):
        for x, y in rows:
            logits = x @ weight.T + bias
            probs = np.exp(logits - logits.max(1, keepdims=True))
            probs /= probs.sum(1, keepdims=True)
            wrong = (probs - np.eye(classes)[y]) / len(y)
            step_w, step_b = momentum * step_w + wrong.T @ x, momentum * step_b + wrong.sum(0)
            weight, bias = weight - lr[epoch] * step_w, bias - lr[epoch] * step_b
    return weight, bias
