"""SoftMatch's weights (arXiv:2301.10921, section 3) with plain loops."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray
TINY = 1e-6  # of the alignment


@dataclass
class Statistics:
    """mu and variance of the highest aligned probability, q of the probabilities, and the target, all moving."""

    num_classes: int
    alignment: str
    start: str = "uniform"
    moments: str = "published"  # where mu and the variance start
    mu: float = field(init=False)
    variance: float = 1.0
    q: list[float] = field(init=False)
    target: list[float] = field(init=False)
    steps: int = 0

    def __post_init__(self) -> None:
        self.mu = 1 / self.num_classes
        self.q, self.target = [self.mu] * self.num_classes, [self.mu] * self.num_classes

    def aligned(self, row: Array) -> list[float]:
        """p target / q, made to sum to 1."""
        if self.alignment == "none":
            return list(row)
        scaled = [p * (t + TINY) / (q + TINY) for p, t, q in zip(row, self.target, self.q, strict=True)]
        return [value / sum(scaled) for value in scaled]

    def move(self, weak: Array, labeled: Array, decay: float) -> None:
        """Take in the probabilities of a step, in the order of the paper: distributions, then mean and variance."""
        for c in range(self.num_classes):
            mean = sum(row[c] for row in weak) / len(weak)
            if self.alignment != "none":
                known = self.steps > 0 or self.start == "uniform"
                self.q[c] = decay * self.q[c] + (1 - decay) * mean if known else mean
            if self.alignment == "labeled":
                self.target[c] = decay * self.target[c] + (1 - decay) * sum(row[c] for row in labeled) / len(labeled)
        self.steps += 1
        highest = [max(self.aligned(row)) for row in weak]
        mean = sum(highest) / len(highest)
        spread = sum((value - mean) ** 2 for value in highest) / (len(highest) - 1)
        if self.steps == 1 and self.moments == "first-batch":
            self.mu, self.variance = mean, spread
            return
        self.mu = decay * self.mu + (1 - decay) * mean
        self.variance = decay * self.variance + (1 - decay) * spread

    def weights(self, weak: Array, sigmas: float) -> Array:
        """1 above mu, a Gaussian below it."""
        out = []
        for row in weak:
            highest = max(self.aligned(row))
            below = min(highest - self.mu, 0.0)
            out.append(math.exp(-(below**2) / (2 * self.variance / sigmas**2)))
        return np.array(out)
