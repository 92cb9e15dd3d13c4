"""Intervals of a mean from a few values that need not be normal: the percentile bootstrap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 10_000
_AT_ONCE = 2**20  # values that are drawn at a time


def bootstrap_interval(values: Sequence[float], *, seed: int = 0) -> tuple[float, float] | None:
    """The 95% interval of the mean of independent values: percentiles 2.5 and 97.5 of the means of resamples.

    None for fewer than two values. With fewer than about ten, it is too narrow (Efron & Tibshirani 1993, chapter 13).

    Args:
        seed: the same values give the same interval.
    """
    if len(values) < 2:
        return None
    known, draw = np.asarray(values, np.float64), np.random.default_rng(seed)
    block = max(1, _AT_ONCE // len(known))
    sizes = [min(block, RESAMPLES - start) for start in range(0, RESAMPLES, block)]
    means = [known[draw.integers(0, len(known), (size, len(known)))].mean(1) for size in sizes]
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return float(low), float(high)
