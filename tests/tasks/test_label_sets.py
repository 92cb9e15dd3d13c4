"""Sets of classes: they hold the right one as often as asked, whatever the probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tutelage.core.errors import ConfigError
from tutelage.tasks.label_sets import LabelSets, least_labels


def answers(count: int, draw: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities (count, 3) that are much too sure, and labels."""
    logits = draw.normal(size=(count, 3))
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    label = (logits + draw.gumbel(size=logits.shape)).argmax(1)  # a draw from probs
    sure = probs**4
    return sure / sure.sum(1, keepdims=True), label


@pytest.mark.parametrize("coverage", [0.8, 0.95])
@pytest.mark.parametrize("labels", [25, 400])
def test_the_right_class_is_in_the_set_as_often_as_asked(coverage: float, labels: int) -> None:
    draw, shares, by_class = np.random.default_rng(0), [], []
    for _ in range(300):
        probs, label = answers(labels + 200, draw)
        sets = LabelSets.fit(probs[:labels], label[:labels], coverage)
        inside = sets.of(probs[labels:])[np.arange(200), label[labels:]]
        shares.append(inside.mean())
        by_class.append(sets.by_class)
    assert coverage - 0.01 <= np.mean(shares) <= coverage + 1 / (labels + 1) + 0.012 * (1 + 2 * all(by_class))
    assert all(by_class) == (labels == 400)


def test_each_class_has_the_coverage_if_its_labels_are_enough() -> None:
    draw, hits = np.random.default_rng(1), np.zeros((300, 3))
    for number in range(300):
        probs, label = answers(1_200, draw)
        sets = LabelSets.fit(probs[:600], label[:600], 0.9)
        assert sets.by_class
        inside = sets.of(probs[600:])[np.arange(600), label[600:]]
        hits[number] = [inside[label[600:] == one].mean() for one in range(3)]
    assert (np.abs(hits.mean(0) - 0.9) < 0.012).all()


def test_the_threshold_is_the_order_statistic_of_the_definition() -> None:
    probs, label = answers(40, np.random.default_rng(2))
    scores = sorted(1.0 - probs[np.arange(40), label])
    highest = scores[math.ceil(41 * 0.9) - 1]
    sets = LabelSets.fit(probs, label, 0.9)
    assert not sets.by_class
    expected = (1.0 - probs) <= highest
    np.testing.assert_array_equal(sets.of(probs), expected)
    assert sets.of(probs)[np.arange(40), label].sum() == 37


@pytest.mark.parametrize(("coverage", "labels"), [(0.5, 1), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_fewer_labels_than_any_threshold_needs_are_refused(coverage: float, labels: int) -> None:
    assert least_labels(coverage) == labels
    probs, label = answers(labels, np.random.default_rng(3))
    LabelSets.fit(probs, label, coverage)
    with pytest.raises(ConfigError, match=f"needs at least {labels} held-out label"):
        LabelSets.fit(probs[1:], label[1:], coverage)
