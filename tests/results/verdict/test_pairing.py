from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tutelage.core.errors import RunError
from tutelage.core.headlines import DICE
from tutelage.results.verdict.pairing import (
    difference,
    mcnemar,
    paired_difference,
    score_difference,
    wilcoxon,
)
from tutelage.run.scored import write_scored


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (5, 0), (3, 4), (30, 12), (200, 260), (6, 6)])
def test_mcnemar_is_the_exact_binomial_test(won: int, lost: int) -> None:
    tail = sum(math.comb(won + lost, k) for k in range(min(won, lost) + 1)) / 2 ** (won + lost)
    assert mcnemar(won, lost) == pytest.approx(min(1.0, 2.0 * tail), rel=1e-9)


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
    for name, predicted in (("run", [0, 1, 2, 1]), ("baseline", [0, 1, 0, 0])):
        (tmp_path / name).mkdir()
        write_scored(tmp_path / name, {"test": {"label": label, "predicted": np.array(predicted)}})
    assert paired_difference(tmp_path / "run", tmp_path / "baseline", "test").points == 50.0
    with pytest.raises(RunError, match="expected an array validation_label"):
        paired_difference(tmp_path / "run", tmp_path / "baseline", "validation")
    write_scored(tmp_path / "baseline", {"test": {"label": label[::-1].copy(), "predicted": label}})
    with pytest.raises(RunError, match="scored on other test images"):
        paired_difference(tmp_path / "run", tmp_path / "baseline", "test")


@pytest.mark.parametrize("n", [1, 2, 5, 6, 13, 40])
def test_signed_ranks_are_wilcoxons_exact_test(n: int) -> None:
    gained = np.random.default_rng(n).normal(0.3, 1.0, n)
    assert wilcoxon(gained) == pytest.approx(stats.wilcoxon(gained, method="exact").pvalue, rel=1e-9)


def test_signed_ranks_share_ties_and_leave_zeros_out() -> None:
    assert wilcoxon(np.array([0.0, 0.0])) == 1.0
    assert wilcoxon(np.array([1.0, 1.0, 1.0, 0.0])) == pytest.approx(0.25)  # three of three heads, on both sides
    assert wilcoxon(np.array([1.0, -1.0, 2.0])) == pytest.approx(0.75)  # mean rank 1.5 lost: 3 of 8 sums are as low
    assert wilcoxon(np.full(6, 0.5)) == pytest.approx(2 / 64)


@pytest.mark.parametrize("seed", range(5))
def test_signed_ranks_with_ties_are_those_of_all_permutations(seed: int) -> None:
    gained = np.random.default_rng(seed).integers(-3, 5, 10).astype(float)
    changed = gained[gained != 0.0]
    every = stats.PermutationMethod(n_resamples=2 ** len(changed))
    assert wilcoxon(gained) == pytest.approx(stats.wilcoxon(changed, method=every).pvalue, rel=1e-9)


def test_cases_are_compared_one_by_one_where_the_score_is_defined() -> None:
    baseline = np.array([0.5, 0.6, 0.7, 0.8, np.nan, 0.65, 0.75, 0.85])
    gains = np.array([0.04, 0.05, 0.06, 0.05, 0.1, 0.03, 0.07, 0.02])
    made = score_difference(baseline + gains, baseline)
    known = 100 * gains[~np.isnan(baseline)]
    assert (made.images, made.p) == (7, pytest.approx(2 / 2**7))
    assert made.points == pytest.approx(known.mean())
    assert made.half_width == pytest.approx(stats.t.ppf(0.975, 6) * known.std(ddof=1) / np.sqrt(7), rel=1e-3)
    assert made.certain


def test_one_rescued_case_is_no_certain_gain() -> None:
    baseline = np.full(8, 0.8)
    failed = baseline.copy()
    failed[0] = 0.0
    assert not score_difference(baseline, failed).certain
    assert score_difference(baseline[:1], failed[:1]).half_width == 100.0
    assert not score_difference(np.full(2, np.nan), baseline[:2]).certain


def test_few_cases_that_all_gain_alike_are_no_proof() -> None:
    baseline = np.array([0.5, 0.6, 0.7, 0.8])
    made = score_difference(baseline + np.array([0.05, 0.051, 0.049, 0.05]), baseline)
    assert made.half_width < made.points  # by Student's t alone it would be one
    assert not made.certain


def test_scans_are_compared_by_the_dice_of_their_cases(tmp_path: Path) -> None:
    case = np.array(["a", "b"])
    for name, dice in (("run", [0.9, 0.7]), ("baseline", [0.8, 0.6])):
        (tmp_path / name).mkdir()
        write_scored(tmp_path / name, {"test": {"case": case, "dice": np.array(dice)}})
    assert paired_difference(tmp_path / "run", tmp_path / "baseline", "test", DICE).points == pytest.approx(10.0)
    write_scored(tmp_path / "baseline", {"test": {"case": case[::-1].copy(), "dice": np.array([0.8, 0.6])}})
    with pytest.raises(RunError, match="scored on other test cases"):
        paired_difference(tmp_path / "run", tmp_path / "baseline", "test", DICE)
