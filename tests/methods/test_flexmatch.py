"""FlexMatch's loss, gradient and class thresholds against a naive float64 version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import flexmatch as formula
from reference import logits_table as network
from reference import losses as numeric
from reference import weighted_pseudo_labels as base
from tutelage.core.batch import Progress, StepOutput
from tutelage.core.errors import ConfigError
from tutelage.methods.base import Problem
from tutelage.methods.flexmatch import FlexMatch
from tutelage.tasks.classification import Classification

K, X, U, ROWS, UNLABELED = 3, 2, 5, 12, 9  # rows 9, 10 and 11 are labeled alone
PROBLEM = Problem(
    num_classes=K,
    train_rows=ROWS,
    labeled_rows=4,
    unlabeled_rows=UNLABELED,
    labeled_batch=X,
    unlabeled_batch=U,
    labeled_counts=(2, 1, 1),
)


def build(**settings: Any) -> FlexMatch:
    student = network.LogitsTable(X + 2 * U, K)
    return FlexMatch(student, Classification("abc"), PROBLEM, FlexMatch.Config(**settings))


def step(method: FlexMatch, logits: np.ndarray, label: np.ndarray, index: np.ndarray) -> tuple[StepOutput, np.ndarray]:
    """The output of a step on these logits, and the gradient with respect to them."""
    method.student.fill(logits)
    out = method(network.numbered_batch(label, index), Progress(0, 10))
    out.loss.backward()
    return out, method.student.table.grad.numpy()


@pytest.mark.parametrize(
    "settings", [{"threshold": 0.7}, {"threshold": 0.6, "count_unused": False, "unlabeled_weight": 0.3}]
)
def test_loss_gradient_and_state_are_those_of_the_formula_at_each_step(settings: dict[str, Any]) -> None:
    method, rng = build(**settings), np.random.default_rng(0)
    tau, latest = settings["threshold"], {}
    passed = []
    for number in range(8):
        logits = 2.0 * rng.standard_normal((X + 2 * U, K))
        label, index = rng.integers(0, K, X), rng.permutation(UNLABELED)[:U]
        limits = formula.thresholds(latest, UNLABELED, K, tau, count_unused=settings.get("count_unused", True))
        weak = logits[X : X + U]
        probs = base.softmax(weak)
        weight = np.array([float(max(p) >= limits[int(np.argmax(p))]) for p in probs])

        def loss_of(
            values: np.ndarray, label: np.ndarray = label, weak: np.ndarray = weak, weight: np.ndarray = weight
        ) -> float:
            supervised, unsupervised = base.losses(values[:X], label, weak, values[X + U :], weight)
            return supervised + settings.get("unlabeled_weight", 1.0) * unsupervised

        out, gradient = step(method, logits, label, index)
        assert float(out.loss.detach()) == pytest.approx(loss_of(logits), rel=1e-6)
        expected = numeric.gradient(loss_of, logits)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)
        assert not gradient[X : X + U].any()  # the weak view makes the target
        assert out.pseudo_labels is not None
        np.testing.assert_array_equal(out.pseudo_labels.weight.numpy(), weight)

        method.remember(out)
        formula.learn(latest, probs, index, tau)
        kept = {row: learned for row, learned in enumerate(method.latest.tolist()) if learned >= 0}
        assert kept == latest, f"after step {number}"
        limits = formula.thresholds(latest, UNLABELED, K, tau, count_unused=settings.get("count_unused", True))
        np.testing.assert_allclose(method._thresholds().numpy(), limits, rtol=1e-6)
        passed.append(weight.mean())
    assert 0.0 < np.mean(passed[1:]) < 1.0  # both kinds of row were met


def confident(*labels: int) -> np.ndarray:
    """Logits that are sure of a class for each weak view (or of none, for -1), with U views in all."""
    logits = np.zeros((X + 2 * U, K))
    for row, label in enumerate(labels):
        if label >= 0:
            logits[X + row, label] = 9.0
    return logits


def test_every_row_passes_before_anything_is_learned() -> None:
    out, _ = step(build(), np.zeros((X + 2 * U, K)), np.zeros(X, np.int64), np.arange(U))
    assert out.pseudo_labels is not None and bool((out.pseudo_labels.weight == 1).all())


def test_the_class_learned_best_has_the_full_threshold_and_another_one_less() -> None:
    method = build(threshold=0.95)
    for index in (np.arange(5), np.array([5, 6, 7, 8, 0])):  # all nine rows: six of class 0, three of class 1
        labels = [0, 0, 0, 1, 1] if index[0] == 0 else [0, 0, 0, 1, 0]
        out, _ = step(method, confident(*labels), np.zeros(X, np.int64), index)
        method.remember(out)
    assert method.progress.tolist() == [1.0, 0.5, 0.0]
    assert method._thresholds().tolist() == pytest.approx([0.95, 0.95 * 0.5 / 1.5, 0.0])
    probs = torch.tensor([[0.94, 0.06, 0.0], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4]], dtype=torch.float64)
    assert method.pseudo_label_weight(probs).tolist() == [0.0, 1.0, 1.0]


def test_a_row_keeps_its_class_when_it_is_unsure_later() -> None:
    method = build()
    for labels in ((0, 1, 2, 0, 1), (-1, 2, -1, -1, -1)):
        out, _ = step(method, confident(*labels), np.zeros(X, np.int64), np.arange(U))
        method.remember(out)
    assert method.latest[:U].tolist() == [0, 2, 2, 0, 1]


def test_of_a_row_twice_in_a_batch_the_last_sure_prediction_counts() -> None:
    method = build()
    out, _ = step(method, confident(0, 1, -1, 2, 0), np.zeros(X, np.int64), np.array([3, 3, 3, 4, 4]))
    method.remember(out)
    assert method.latest[3:5].tolist() == [1, 0]
    assert bool((method.latest[5:] == -1).all()) and bool((method.latest[:3] == -1).all())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 1.5}, r"method.threshold must be in \[0, 1\], got 1.5"),
        ({"unlabeled_weight": -1.0}, "method.unlabeled_weight must be at least 0, got -1.0"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FlexMatch.Config(**settings)
