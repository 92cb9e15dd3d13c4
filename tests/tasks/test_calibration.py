"""Temperature scaling: against a search over a grid, and on logits that were made too sure by a known factor."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from tutelage.tasks.calibration import cross_fitted, fit_temperature, tempered


def answers(count: int, too_sure: float, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Log-probabilities (count, 4) of logits that are `too_sure` times those which the labels are drawn from."""
    draw = np.random.default_rng(seed)
    logits = 2.0 * draw.normal(size=(count, 4))
    probs = np.exp(tempered(logits, 1.0))
    label = np.array([draw.choice(4, p=row) for row in probs])
    return tempered(logits * too_sure, 1.0), label


@pytest.mark.parametrize("too_sure", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_made_logits_too_sure(too_sure: float) -> None:
    log_probs, label = answers(4_000, too_sure)
    assert fit_temperature(log_probs, label) == pytest.approx(too_sure, rel=0.06)


def test_few_labels_seldom_change_a_calibrated_network() -> None:
    found = [fit_temperature(*answers(100, 1.0, seed=seed)) for seed in range(100)]
    assert 85 <= found.count(1.0) < 100
    assert all(fit_temperature(*answers(100, 4.0, seed=seed)) > 1.5 for seed in range(20))


def test_it_is_the_most_probable_one_on_a_grid() -> None:
    log_probs, label = answers(200, 2.2, seed=1)
    grid = np.exp(np.linspace(np.log(0.1), np.log(10.0), 2_001))

    def loss(temperature: float) -> float:
        scaled = log_probs / temperature
        probs = np.exp(scaled) / np.exp(scaled).sum(1, keepdims=True)
        return float((np.log(temperature) / (np.log(2) / 1.96)) ** 2 / 2 - np.log(probs[np.arange(200), label]).sum())

    best = grid[int(np.argmin([loss(temperature) for temperature in grid]))]
    assert fit_temperature(log_probs, label) == pytest.approx(best, rel=0.005)


def test_each_row_has_the_temperature_of_the_other_folds() -> None:
    log_probs, label = answers(50, 3.0, seed=2)
    found = cross_fitted(log_probs, label, 5)
    for others, own in KFold(5, shuffle=True, random_state=0).split(log_probs):
        temperature = fit_temperature(log_probs[others], label[others])
        np.testing.assert_array_equal(found[own], tempered(log_probs[own], temperature))


def test_labels_that_are_all_right_do_not_make_it_endless() -> None:
    log_probs, _ = answers(30, 1.0)
    assert 0.25 < fit_temperature(log_probs, log_probs.argmax(1)) < 1.0
