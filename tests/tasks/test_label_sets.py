"""Sets of classes: they hold the right one as often as asked, whatever the probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from tutelage.core.errors import ConfigError
from tutelage.tasks.label_sets import CrossSets, SplitSets, least_labels

NONE = np.zeros((0, 0))  # features, which split sets do not look at


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
        sets = SplitSets.fit(probs[:labels], label[:labels], coverage)
        inside = sets.of(probs[labels:], NONE)[np.arange(200), label[labels:]]
        shares.append(inside.mean())
        by_class.append(sets.by_class)
    assert coverage - 0.01 <= np.mean(shares) <= coverage + 1 / (labels + 1) + 0.012 * (1 + 2 * all(by_class))
    assert all(by_class) == (labels == 400)


def test_each_class_has_the_coverage_if_its_labels_are_enough() -> None:
    draw, hits = np.random.default_rng(1), np.zeros((300, 3))
    for number in range(300):
        probs, label = answers(1_200, draw)
        sets = SplitSets.fit(probs[:600], label[:600], 0.9)
        assert sets.by_class
        inside = sets.of(probs[600:], NONE)[np.arange(600), label[600:]]
        hits[number] = [inside[label[600:] == one].mean() for one in range(3)]
    assert (np.abs(hits.mean(0) - 0.9) < 0.012).all()


def test_the_threshold_is_the_order_statistic_of_the_definition() -> None:
    probs, label = answers(40, np.random.default_rng(2))
    scores = sorted(1.0 - probs[np.arange(40), label])
    highest = scores[math.ceil(41 * 0.9) - 1]
    sets = SplitSets.fit(probs, label, 0.9)
    assert not sets.by_class
    expected = (1.0 - probs) <= highest
    np.testing.assert_array_equal(sets.of(probs, NONE), expected)
    assert sets.of(probs, NONE)[np.arange(40), label].sum() == 37


@pytest.mark.parametrize(("coverage", "labels"), [(0.5, 1), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_fewer_labels_than_any_threshold_needs_are_refused(coverage: float, labels: int) -> None:
    assert least_labels(coverage) == labels
    probs, label = answers(labels, np.random.default_rng(3))
    SplitSets.fit(probs, label, coverage)
    with pytest.raises(ConfigError, match=f"needs at least {labels} held-out label"):
        SplitSets.fit(probs[1:], label[1:], coverage)


def trained_in_folds(
    features: NDArray[np.float64], label: NDArray[np.int64], folds: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Probabilities of each row in the head trained without its fold, the numbers of the folds, and the heads."""
    probs, fold, heads = np.zeros((len(label), 3)), np.zeros(len(label), np.int64), []
    for number, (others, own) in enumerate(KFold(folds, shuffle=True, random_state=0).split(features)):
        model = LogisticRegression(C=1.0).fit(features[others], label[others])
        probs[own], fold[own] = model.predict_proba(features[own]), number
        heads.append(np.concatenate([model.coef_, model.intercept_[:, None]], axis=1))
    return probs, fold, np.stack(heads)


def blobs(count: int, draw: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    label = draw.permutation(np.arange(count) % 3)
    centers = np.array([[0.0, 0.0], [1.6, 0.0], [0.0, 1.6]])
    return centers[label] + draw.normal(size=(count, 2)), label


@pytest.mark.parametrize("labels", [30, 240])
def test_cross_sets_hold_the_right_class_as_often_as_asked(labels: int) -> None:
    draw, shares, sizes = np.random.default_rng(4), [], []
    for _ in range(40):
        features, label = blobs(labels, draw)
        probs, fold, heads = trained_in_folds(features, label, 4)
        sets = CrossSets.fit(probs, label, fold, heads, 0.9)
        assert sets.by_class == (labels == 240)
        new, truth = blobs(300, draw)
        inside = sets.of(np.zeros((300, 3)), new)
        shares.append(inside[np.arange(300), truth].mean())
        sizes.append(inside.sum(1).mean())
    assert 0.885 < np.mean(shares) < 0.945
    assert np.mean(sizes) < 2.2


@pytest.mark.parametrize("coverage", [0.9, 0.8])
def test_a_cross_set_is_that_of_the_definition(coverage: float) -> None:
    draw = np.random.default_rng(5)
    features, label = blobs(40, draw)
    probs, fold, heads = trained_in_folds(features, label, 4)
    new, _ = blobs(20, draw)
    sets = CrossSets.fit(probs, label, fold, heads, coverage)
    assert sets.by_class == (coverage == 0.8)
    found = sets.of(np.zeros((20, 3)), new)
    for row, x in enumerate(new):
        of_heads = [softmax(head[:, :2] @ x + head[:, 2]) for head in heads]
        for y in range(3):
            compared = [i for i in range(40) if label[i] == y or not sets.by_class]
            worse = sum(1 - of_heads[fold[i]][y] > 1 - probs[i, label[i]] + 1e-9 for i in compared)
            assert found[row, y] == (worse < coverage * (len(compared) + 1))
