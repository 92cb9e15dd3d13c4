from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tutelage.errors import RunError
from tutelage.verdict.pairing import difference, mcnemar, paired_difference, write_scored


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (5, 0), (3, 4), (30, 12), (200, 260), (6, 6)])
def test_mcnemar_is_the_exact_binomial_test(won: int, lost: int) -> None:
    expected = stats.binomtest(won, won + lost).pvalue if won + lost else 1.0
    assert mcnemar(won, lost) == pytest.approx(expected, rel=1e-9)


def test_the_difference_is_paired() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(500) < 0.7
    better = base | (rng.random(500) < 0.2)
    made = difference(better, base)
    gained = better.astype(float) - base
    assert made.points == pytest.approx(100 * gained.mean())
    assert made.half_width == pytest.approx(196 * gained.std() / np.sqrt(500), rel=1e-6)
    assert made.p < 1e-6
    assert made.images == 500


def test_equal_networks_differ_by_nothing() -> None:
    made = difference([True, False, True], [True, False, True])
    assert (made.points, made.half_width, made.p) == (0.0, 0.0, 1.0)


def test_runs_are_compared_on_the_images_that_both_scored(tmp_path: Path) -> None:
    label = np.array([0, 1, 2, 1])
    for name, predicted in (("run", [0, 1, 2, 1]), ("twin", [0, 1, 0, 0])):
        (tmp_path / name).mkdir()
        write_scored(tmp_path / name, {"test": {"label": label, "predicted": np.array(predicted)}})
    assert paired_difference(tmp_path / "run", tmp_path / "twin", "test").points == 50.0
    with pytest.raises(RunError, match="cannot read the predictions"):
        paired_difference(tmp_path / "run", tmp_path / "twin", "validation")
    write_scored(tmp_path / "twin", {"test": {"label": label[::-1].copy(), "predicted": label}})
    with pytest.raises(RunError, match="scored on other test images"):
        paired_difference(tmp_path / "run", tmp_path / "twin", "test")
