"""A linear head with SoftMatch's loss (arXiv:2301.10921) and Adam, step by step in NumPy."""

from __future__ import annotations

import math

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def fit(
    start: tuple[np.ndarray, np.ndarray],
    labeled: np.ndarray,
    label: np.ndarray,
    shares: np.ndarray,
    draws: list[tuple[np.ndarray, np.ndarray]],
    l2: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The weight (K, D) and bias (K,) after a step for each of `draws`: unlabeled features, and what of them is kept.

    Args:
        shares: of the labels in their mean; they sum to 1.
    """
    weight, bias = (value.copy() for value in start)
    classes, steps = len(bias), len(draws)
    q, mu, var = np.full(classes, 1 / classes), 1 / classes, 1.0
    moments = [np.zeros_like(weight), np.zeros_like(bias), np.zeros_like(weight), np.zeros_like(bias)]
    for step, (u, kept) in enumerate(draws):
        probs = softmax(u @ weight.T + bias)
        q = 0.99 * q + 0.01 * probs.mean(0)
        aligned = probs * (1 / classes + 1e-6) / (q + 1e-6)
        aligned /= aligned.sum(1, keepdims=True)
        sure, pseudo = aligned.max(1), aligned.argmax(1)
        mu, var = 0.99 * mu + 0.01 * sure.mean(), 0.99 * var + 0.01 * sure.var(ddof=1)
        row_weight = np.array([math.exp(-(min(c - mu, 0.0) ** 2) / (2 * var / 4)) for c in sure])
        strong = 2.0 * u * kept
        error_x = shares[:, None] * (softmax(labeled @ weight.T + bias) - np.eye(classes)[label])
        error_u = (row_weight / len(u))[:, None] * (softmax(strong @ weight.T + bias) - np.eye(classes)[pseudo])
        gradients = [
            error_x.T @ labeled + error_u.T @ strong + l2 * weight,
            error_x.sum(0) + error_u.sum(0),
        ]
        rate = 0.01 * math.cos(7 / 16 * math.pi * step / steps)
        for number, (value, gradient) in enumerate(zip((weight, bias), gradients, strict=True)):
            moments[number] = 0.9 * moments[number] + 0.1 * gradient
            moments[number + 2] = 0.999 * moments[number + 2] + 0.001 * gradient**2
            first = moments[number] / (1 - 0.9 ** (step + 1))
            second = moments[number + 2] / (1 - 0.999 ** (step + 1))
            value -= rate * first / (np.sqrt(second) + 1e-8)
    return weight, bias
