from __future__ import annotations

import numpy as np
import pytest

from tutelage.results.mask_scores.summary import bootstrap_interval


def test_a_bootstrap_interval_holds_the_mean_and_narrows_with_more_values() -> None:
    draw = np.random.default_rng(0)
    few, many = draw.normal(3, 1, 20), draw.normal(3, 1, 300)
    for values in (few, many):
        low, high = bootstrap_interval(values.tolist()) or (0.0, 0.0)
        assert low < values.mean() < high
        assert high - low == pytest.approx(2 * 1.96 * values.std() / len(values) ** 0.5, rel=0.1)
    assert bootstrap_interval([1.0]) is None and bootstrap_interval([2.0, 2.0]) == (2.0, 2.0)
