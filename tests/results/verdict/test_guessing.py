"""No better than guessing: the binomial test against the most frequent class, and where it misleads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tutelage.results.verdict.guessing import Guess, guess

CLASSES = ("cat", "dog")


def found(*rows: list[int], classes: tuple[str, ...] = CLASSES) -> Guess:
    matrix = list(rows)
    made = guess({"confusion_matrix": matrix, "n": sum(map(sum, matrix))}, classes)
    assert made is not None
    return made


@pytest.mark.parametrize("right", [200, 208, 217, 218, 260])
def test_the_p_value_is_the_exact_binomial_tail(right: int) -> None:
    made = found([right // 2, 200 - right // 2], [200 - (right - right // 2), right - right // 2])
    tail = sum(math.comb(400, k) for k in range(right, 401)) / 2**400
    assert made.p == pytest.approx(tail, rel=1e-9)
    assert made.no_better is (tail >= 0.05)


def test_a_coin_is_no_better_and_a_network_that_learned_is() -> None:
    coin = found([100, 100], [98, 102])
    assert coin.no_better
    assert coin.sentence == (
        "no better than guessing: 202 of 400 images are classified correctly (50.5%); always naming 'cat' would give "
        "50.0% (p = 0.44)"
    )
    assert not found([160, 40], [50, 150]).no_better
    assert found([200, 0], [200, 0]).no_better  # one class for all


def test_always_naming_the_frequent_class_is_guessing_and_knowing_the_rare_one_is_not() -> None:
    lazy, useful = found([180, 0], [20, 0]), found([150, 30], [2, 18])
    assert lazy.no_better and lazy.share == 0.9
    assert useful.accuracy < useful.share and useful.p > 0.9  # by accuracy alone it would be guessing
    assert not useful.no_better


def test_the_balanced_accuracy_of_predictions_that_ignore_the_image_passes_as_seldom_as_it_should() -> None:
    draw = np.random.default_rng(0)
    passed = 0
    for _ in range(400):
        matrix = [draw.multinomial(count, (0.7, 0.2, 0.1)).tolist() for count in (80, 60, 30)]
        passed += found(*matrix, classes=("a", "b", "c")).balanced_p < 0.05
    assert stats.binomtest(passed, 400, 0.05).pvalue > 0.01


def test_few_images_cannot_tell() -> None:
    few = found([6, 4], [4, 6])
    assert few.no_better and few.few
    assert few.sentence.startswith("perhaps no better than guessing: 12 of 20 images are classified correctly (60.0%)")
    assert not found([100, 100], [98, 102]).few


def test_nothing_is_said_where_nothing_was_scored_or_there_is_one_class() -> None:
    assert guess({"n": 0}, CLASSES) is None
    assert guess({"n": 8, "dice": 0.7}, CLASSES) is None
    assert found([20, 0], [0, 0]).p == 1.0
