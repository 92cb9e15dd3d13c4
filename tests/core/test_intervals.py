from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tutelage.core.intervals import interval, share_interval


@pytest.mark.parametrize("n", [2, 3, 5, 10, 31, 32, 100])
def test_the_interval_is_students(n: int) -> None:
    values = np.random.default_rng(n).normal(1.0, 2.0, n)
    low, high = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    made = interval(values.tolist())
    assert made.half_width == pytest.approx((high - low) / 2, rel=1e-9)
    assert made.std == pytest.approx(values.std(ddof=1))
    assert made.above_zero == (low > 0)


def test_a_single_value_has_no_interval() -> None:
    made = interval([3.0])
    assert (made.mean, made.std, made.half_width, made.above_zero) == (3.0, None, None, False)


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        interval([])


def test_values_that_agree_to_their_grain_may_differ_by_rounding() -> None:
    assert interval([2.0, 2.0]).half_width == 0.0
    made = interval([2.0, 2.0], grain=1.0)
    assert made.std == 0.0
    assert made.half_width == pytest.approx(12.706 / math.sqrt(12), rel=1e-4)
    assert interval([1.0, 4.0], grain=1.0) == interval([1.0, 4.0])


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (73, 100), (1, 2), (4321, 5000)])
def test_the_interval_of_a_share_is_wilsons(hits: int, n: int) -> None:
    share, z = hits / n, 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    assert share_interval(share, n) == pytest.approx((middle - half, middle + half), abs=1e-6)
