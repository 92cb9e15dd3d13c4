"""FlexMatch's thresholds (arXiv:2110.08263, algorithm 1) with plain loops."""

from __future__ import annotations

import numpy as np


def thresholds(latest: dict[int, int], rows: int, num_classes: int, tau: float, *, count_unused: bool) -> list[float]:
    """tau_c of each class, given the class that each row was last learned as; the rows that never were are absent."""
    counts = [sum(1 for learned in latest.values() if learned == c) for c in range(num_classes)]
    most = max(counts)
    if count_unused:
        most = max(most, rows - len(latest))
    status = [count / most if most else 0.0 for count in counts]
    return [tau * b / (2 - b) for b in status]


def learn(latest: dict[int, int], probs: np.ndarray, index: np.ndarray, tau: float) -> None:
    """Note each row whose confidence reaches the full tau, in the order of the batch."""
    for row, p in zip(index, probs, strict=True):
        if max(p) >= tau:
            latest[int(row)] = int(np.argmax(p))
