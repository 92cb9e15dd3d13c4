"""Means with confidence intervals, from a few repetitions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# Student's t, two-sided 95 %, for 1 to 30 degrees of freedom; above, 1.960 plus the first correction.
_T95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


@dataclass(frozen=True)
class Interval:
    """The mean of n values, their standard deviation, and half the width of the mean's 95 % confidence interval.

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
    """The mean of independent values with its 95 % confidence interval, by Student's t.

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
    std = statistics.stdev(values)
    freedom = n - 1
    t = _T95[freedom - 1] if freedom <= len(_T95) else 1.960 + 2.4 / freedom
    return Interval(n, mean, std, t * max(std, grain / math.sqrt(6)) / math.sqrt(n))
