"""The losses as naive float64 loops, written from the formulas of the papers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Array = np.ndarray


def softmax(logits: Array) -> Array:
    """(K,) to (K,)."""
    powers = [math.exp(logit - max(logits)) for logit in logits]
    return np.array([power / sum(powers) for power in powers])


def cross_entropy(logits: Array, label: Array) -> float:
    """Logits (B, K), labels (B,): -log p of the label, averaged over rows."""
    return sum(-math.log(softmax(row)[k]) for row, k in zip(logits, label, strict=True)) / len(label)


def softmax_mse(student: Array, teacher: Array) -> float:
    """1/K sum_k (p_k - q_k)^2 for the logits (K,) of one place."""
    p, q = softmax(student), softmax(teacher)
    return sum((p[k] - q[k]) ** 2 for k in range(len(p))) / len(p)


def softmax_kl(student: Array, teacher: Array) -> float:
    """sum_k q_k log(q_k / p_k), q being the teacher's, for the logits (K,) of one place."""
    p, q = softmax(student), softmax(teacher)
    return sum(q[k] * math.log(q[k] / p[k]) for k in range(len(p)))


def logit_mse(student: Array, teacher: Array) -> float:
    """1/K sum_k (z_k - z'_k)^2 for the logits (K,) of one place: no softmax."""
    return sum((student[k] - teacher[k]) ** 2 for k in range(len(student))) / len(student)


def logit_distance(first: Array, second: Array) -> float:
    """1/K sum_k (z_k - z'_k)^2 for the logits (K,) of one place."""
    return sum((first[k] - second[k]) ** 2 for k in range(len(first))) / len(first)


def at_each_place(loss: Callable[[Array, Array], float], first: Array, second: Array) -> Array:
    """`loss` of logits (B, K, *S), place by place: (B, *S)."""
    out = np.empty((first.shape[0], *first.shape[2:]))
    for place in np.ndindex(out.shape):
        at = (place[0], slice(None), *place[1:])
        out[place] = loss(first[at], second[at])
    return out


def gradient(function: Callable[[Array], float], at: Array, step: float = 1e-6) -> Array:
    """The gradient of a scalar function by central differences, one entry at a time."""
    out = np.empty_like(at)
    for entry in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[entry] += step
        down[entry] -= step
        out[entry] = (function(up) - function(down)) / (2 * step)
    return out
