"""The model that learns again after each answer: class probabilities of all images from the labels so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve
from threadpoolctl import threadpool_limits

from tutelage.core.seeding import derived_seed

FOLDS = 5
_STEPS, _BATCH, _RATE, _L2 = 100, 256, 0.01, 0.08
_RIDGE, _START = 0.05, 4.0  # penalty of the start, and the logits that it gives its own labels
_SHARE, _SIGMAS, _TINY = 0.01, 2.0, 1e-6
_FIRST, _SECOND, _EPSILON = 0.9, 0.999, 1e-8  # of Adam

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Learned:
    """What was learned.

    Attributes:
        probs: (N, K), 0 for a class without a label.
        told: for each label, in the order of the rows, the class that a model trained without it says.
        sureness: (n,) the probability that it gives this class.
    """

    probs: Array
    told: NDArray[np.int64]
    sureness: Array


def learn(features: Array, labels: NDArray[np.int64], num_classes: int, *, seed: int) -> Learned | None:
    """Class probabilities from a linear head, and from five more that lack a fifth of the labels each.

    A head starts at the ridge regression of the labels, in closed form. Then it takes 100 steps with SoftMatch's loss
    (arXiv:2301.10921) on 256 images and up to 256 labels each: pseudo-labels are of predictions on the features,
    aligned to uniform classes, with SoftMatch's weights; they are targets on features of which a half is dropped. See
    `core.soft_head`, which starts at the logistic regression and takes several times as long. All heads take their
    steps at once. What is learned depends on the labels and the seed only, so that an answer that is undone leaves no
    trace.

    Args:
        features: (N, D), rows of norm 1.
        labels: (N,), -1 where unknown.

    Returns:
        None before two classes have a label.
    """
    rows = np.flatnonzero(labels >= 0)
    seen, label = np.unique(labels[rows], return_inverse=True)
    if len(seen) < 2:
        return None
    fold = folds(label)
    kept = np.ones((1 + FOLDS, len(rows)), np.float32)
    kept[fold + 1, np.arange(len(rows))] = 0.0
    with threadpool_limits(1):  # small products: several threads would cost more than they gain
        heads = _Heads(features, rows, np.eye(len(seen), dtype=np.float32)[:, label], kept)
        others = np.flatnonzero(labels < 0)
        heads.fit(others if len(others) else rows, np.random.default_rng(derived_seed(seed, "label", "head")))
        probs = np.zeros((len(features), num_classes), np.float32)
        probs[:, seen] = heads.probs(features, slice(0, 1))[0].T
        without = heads.probs(features[rows], slice(1, None))[fold, :, np.arange(len(rows))]
    return Learned(probs, seen[without.argmax(1)], without.max(1))


def folds(label: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) in 0..4: the fold of each label, evenly over classes."""
    fold = np.empty(len(label), np.int64)
    fold[np.argsort(label, kind="stable")] = np.arange(len(label)) % FOLDS
    return fold


class _Heads:
    """H linear heads on features of size 1, each of which learns from its own share of the labels.

    Args:
        features: (N, D), of norm 1; here they are multiplied by sqrt(D).
        rows: (n,) those with a label.
        target: (K, n) one-hot.
        kept: (H, n) whether a head learns from a label.
    """

    def __init__(self, features: Array, rows: NDArray[np.int64], target: Array, kept: Array) -> None:
        self.features, self.target, self.kept = features, target, kept
        self.scale = np.float32(features.shape[1] ** 0.5)
        self.x = features[rows] * self.scale
        self.weight = np.stack([_ridge(self.x[keep > 0], target.T[keep > 0]) for keep in kept])  # (H, K, D)
        self.bias = np.zeros(self.weight.shape[:2], np.float32)

    def probs(self, features: Array, heads: slice) -> Array:
        """(H, K, N) of some heads, on features of norm 1."""
        return _softmax(self._logits(features * self.scale, heads))

    def fit(self, others: NDArray[np.int64], draw: np.random.Generator) -> None:
        """Take the steps; `others` are the rows without a label."""
        uniform = np.float32(1.0 / len(self.target))
        classes = np.full((*self.bias.shape, 1), uniform)  # (H, K, 1), how often each head predicts them
        mean, variance = np.full((len(self.kept), 1), uniform), np.ones((len(self.kept), 1), np.float32)
        state = [np.zeros_like(part) for part in (self.weight, self.weight, self.bias, self.bias)]
        for step in range(_STEPS):
            u = self.features[others[draw.integers(len(others), size=_BATCH)]] * self.scale
            probs = _softmax(self._logits(u))  # (H, K, B)
            classes += _SHARE * (probs.mean(2, keepdims=True) - classes)
            aligned = probs * ((uniform + _TINY) / (classes + _TINY))
            most = aligned.max(1, keepdims=True)
            confidence = most[:, 0] / aligned.sum(1)  # (H, B)
            mean += _SHARE * (confidence.mean(1, keepdims=True) - mean)
            variance += _SHARE * (confidence.var(1, ddof=1, keepdims=True) - variance)
            below = np.minimum(confidence - mean, 0.0)
            sureness = np.exp(-np.square(below) / (2.0 * variance / _SIGMAS**2)) / np.float32(_BATCH)
            bits = np.frombuffer(draw.bytes(-(-u.size // 8)), np.uint8)
            dropped = u * (np.unpackbits(bits)[: u.size].reshape(u.shape) * np.float32(2.0))
            surplus = _softmax(self._logits(dropped))
            surplus -= aligned == most
            surplus *= sureness[:, None]
            slope, tilt = self._slope(surplus, dropped)
            known, share = self._labels(draw)
            surplus = _softmax(self._logits(self.x[known])) - self.target[:, known]
            more, lean = self._slope(surplus * share[:, None], self.x[known])
            slope += more + np.float32(_L2) * self.weight
            rate = _RATE * np.cos(7.0 / 16.0 * np.pi * step / _STEPS)
            _adam(self.weight, slope, state[0], state[1], rate, step)
            _adam(self.bias, tilt + lean, state[2], state[3], rate, step)

    def _labels(self, draw: np.random.Generator) -> tuple[NDArray[np.int64], Array]:
        """Labels of a step, and the weight (H, n) of each in the mean of a head."""
        count = len(self.x)
        known = np.arange(count) if count <= _BATCH else draw.choice(count, _BATCH, replace=False)
        share = self.kept[:, known]
        return known, share / np.maximum(share.sum(1, keepdims=True), 1.0)

    def _logits(self, rows: Array, heads: slice = slice(None)) -> Array:
        """(H, K, B) of rows (B, D)."""
        weight, bias = self.weight[heads], self.bias[heads]
        found: Array = (weight.reshape(-1, rows.shape[1]) @ rows.T).reshape(*bias.shape, len(rows)) + bias[..., None]
        return found

    def _slope(self, surplus: Array, rows: Array) -> tuple[Array, Array]:
        """The gradients of weight and bias, from those of the logits (H, K, B)."""
        return (surplus.reshape(-1, len(rows)) @ rows).reshape(self.weight.shape), surplus.sum(2)


def _softmax(logits: Array) -> Array:
    """Of (H, K, B) over K, in place."""
    logits -= logits.max(1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(1, keepdims=True)
    return logits


def _ridge(x: Array, target: Array) -> Array:
    """(K, D): ridge regression of centered targets (n, K) on rows (n, D), solved on the smaller side."""
    centered = target - np.float32(1.0 / target.shape[1])
    penalty = np.float32(_RIDGE * x.shape[1])
    if len(x) < x.shape[1]:
        found: Array = x.T @ solve(x @ x.T + penalty * np.eye(len(x), dtype=np.float32), centered, assume_a="pos")
    else:
        found = solve(x.T @ x + penalty * np.eye(x.shape[1], dtype=np.float32), x.T @ centered, assume_a="pos")
    return np.ascontiguousarray(np.float32(_START) * found.T)


def _adam(value: Array, slope: Array, first: Array, second: Array, rate: float, step: int) -> None:
    """One step of Adam, in place."""
    first += (1.0 - _FIRST) * (slope - first)
    second += (1.0 - _SECOND) * (np.square(slope) - second)
    scale = np.sqrt(second / (1.0 - _SECOND ** (step + 1)), dtype=np.float32) + np.float32(_EPSILON)
    value -= np.float32(rate / (1.0 - _FIRST ** (step + 1))) * (first / scale)
