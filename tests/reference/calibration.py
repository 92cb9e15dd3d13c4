"""Expected calibration error as a loop over bins (Guo et al. 2017, arXiv:1706.04599)."""

from __future__ import annotations

import numpy as np


def expected_calibration_error(probs: np.ndarray, label: np.ndarray, bins: int) -> float:
    """Sum over bins of the share of rows in it times |accuracy - mean confidence|; probs (N, K), labels (N,)."""
    confidence, right = probs.max(1), probs.argmax(1) == label
    total = 0.0
    for b in range(bins):
        inside = [b / bins < c <= (b + 1) / bins for c in confidence]
        if any(inside):
            total += np.mean(inside) * abs(right[inside].mean() - confidence[inside].mean())
    return float(total)
