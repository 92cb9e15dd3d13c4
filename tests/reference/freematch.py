"""FreeMatch's thresholds and fairness loss (arXiv:2205.07246, equations 5 to 11) with plain loops."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass
class Averages:
    """tau, the moving average of the highest probability; p, of the probabilities; h, of the histogram."""

    tau: float
    p: list[float]
    h: list[float]

    @classmethod
    def start(cls, num_classes: int) -> Averages:
        return cls(1 / num_classes, [1 / num_classes] * num_classes, [1 / num_classes] * num_classes)

    def move(self, probs: Array, decay: float, least: float, most: float) -> None:
        """Take in the weak predictions (B, K) of a step."""
        rows, classes = probs.shape
        self.tau = decay * self.tau + (1 - decay) * sum(max(row) for row in probs) / rows
        self.tau = min(max(self.tau, least), most)
        for c in range(classes):
            self.p[c] = decay * self.p[c] + (1 - decay) * sum(row[c] for row in probs) / rows
            share = sum(1 for row in probs if int(np.argmax(row)) == c) / rows
            self.h[c] = decay * self.h[c] + (1 - decay) * share

    def mask(self, probs: Array) -> Array:
        """1 for each row that reaches tau p_c / max p of its class c."""
        limits = [self.tau * p / max(self.p) for p in self.p]
        return np.array([1.0 if max(row) >= limits[int(np.argmax(row))] else 0.0 for row in probs])

    def fairness(self, strong: Array, mask: Array) -> float:
        """-H(SumNorm(p / h), SumNorm(p_strong / h_strong)) over the rows that pass, and the classes that they have."""
        kept = [row for row, m in zip(strong, mask, strict=True) if m > 0]
        if not kept:
            return 0.0
        votes = [int(np.argmax(row)) for row in kept]
        classes = sorted(set(votes))
        expected = [p / h for p, h in zip(self.p, self.h, strict=True)]
        got = {c: (sum(row[c] for row in kept) / len(kept)) / (votes.count(c) / len(kept)) for c in classes}
        return sum(expected[c] / sum(expected) * math.log(got[c] / sum(got.values())) for c in classes)
