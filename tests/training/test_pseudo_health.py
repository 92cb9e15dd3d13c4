"""Figures of pseudo-labels, and when they raise an alarm."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tutelage.core.batch import PseudoLabels
from tutelage.training.pseudo_health import alarm, health, tally


def test_figures_are_those_of_a_count_by_hand() -> None:
    pseudo = PseudoLabels(torch.tensor([0, 0, 1, 2, 1]), torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0]))
    truth = torch.tensor([0, 1, -1, 2, 1])
    figures = health(tally(pseudo, truth, 3))
    assert figures["pseudo/share"] == pytest.approx(3 / 5)
    assert figures["pseudo/class_share"] == pytest.approx([2 / 3, 1 / 3, 0.0])
    assert figures["pseudo/accuracy"] == pytest.approx(1 / 2)  # of the two kept ones whose class is known
    assert figures["pseudo/known"] == pytest.approx(2 / 3)
    assert figures["pseudo/entropy"] == pytest.approx(0.6365 / 1.0986, rel=1e-3)


def test_weights_between_0_and_1_count_as_shares() -> None:
    pseudo = PseudoLabels(torch.tensor([0, 1]), torch.tensor([0.25, 0.75]))
    figures = health(tally(pseudo, torch.tensor([0, 0]), 2))
    assert figures["pseudo/share"] == 0.5
    assert figures["pseudo/class_share"] == [0.25, 0.75]
    assert figures["pseudo/accuracy"] == 0.25


def test_no_kept_row_has_a_share_and_nothing_else() -> None:
    assert health(tally(PseudoLabels(torch.tensor([1]), torch.zeros(1)), None, 2)) == {"pseudo/share": 0.0}


def test_without_true_classes_there_is_no_accuracy() -> None:
    assert "pseudo/accuracy" not in health(tally(PseudoLabels(torch.tensor([1]), torch.ones(1)), None, 2))


def lines(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"step": 50 * (number + 10), **row} for number, row in enumerate(rows)]


def raised(rows: list[dict[str, Any]], counts: tuple[int, ...] = (5, 5)) -> str | None:
    return alarm(rows, total=1000, classes=("cat", "dog"), labeled_counts=counts)


EMPTY = {"pseudo/share": 0.0}
EVEN = {"pseudo/share": 0.6, "pseudo/class_share": [0.55, 0.45]}
ONE = {"pseudo/share": 0.6, "pseudo/class_share": [0.03, 0.97]}


def test_three_lines_without_pseudo_labels_raise_an_alarm_that_says_what_to_lower() -> None:
    assert raised(lines(EMPTY, EMPTY)) is None
    assert raised(lines(EMPTY, EMPTY, EVEN)) is None
    warning = raised(lines(EVEN, EMPTY, EMPTY, EMPTY))
    assert warning is not None and "method.threshold" in warning


def test_a_class_that_takes_over_is_named() -> None:
    assert raised(lines(EVEN, EVEN, EVEN)) is None
    assert raised(lines(EVEN, ONE, ONE)) is None
    warning = raised(lines(ONE, ONE, ONE))
    assert warning is not None and "'dog'" in warning and "97%" in warning


def test_a_class_that_has_most_of_the_labels_may_have_most_of_the_pseudo_labels() -> None:
    assert raised(lines(ONE, ONE, ONE), counts=(1, 19)) is None


def test_the_first_tenth_of_training_raises_no_alarm() -> None:
    early = [{"step": step, **ONE} for step in (20, 40, 60)]
    assert raised(early) is None
