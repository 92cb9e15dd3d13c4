"""Means with confidence intervals, from a few repetitions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """The mean of n values, their standard deviation, and half the width of the mean's 95% confidence interval.

    `std` and `half_width` are None for a single value.
    """

    n: int
    mean: float
    std: float | None
    half_width: float | None

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.half_width is not None and self.mean > self.half_width


def interval(values: Sequence[float], *, grain: float = 0.0) -> Interval:
    """The mean of independent values with its 95% confidence interval, by Student's t.

    Args:
        grain: the resolution of a value, e.g. 1 / (number of images scored). The interval is at least as wide as
            rounding to it would make it, so that equal values do not give an interval of zero width.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    n, mean = len(values), statistics.fmean(values)
    if n == 1:
        return Interval(1, mean, None, None)
    from scipy import stats  # takes a second to import

    std = statistics.stdev(values)
    t = float(stats.t.ppf(0.975, n - 1))
    return Interval(n, mean, std, t * max(std, grain / math.sqrt(6)) / math.sqrt(n))


def share_interval(share: float, n: int) -> tuple[float, float]:
    """The 95% confidence interval of a share of `n` independent items (Wilson's score interval)."""
    from scipy import stats  # takes a second to import

    found = stats.binomtest(round(share * n), n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(found.low), float(found.high)
