"""FreeMatch's loss, gradient and moving averages against a naive float64 version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import freematch as formula
from reference import logits_table as network
from reference import losses as numeric
from reference import weighted_pseudo_labels as base
from tutelage.core.batch import Progress, StepOutput
from tutelage.core.errors import ConfigError
from tutelage.methods.base import Problem
from tutelage.methods.freematch import FreeMatch, fairness_loss
from tutelage.tasks.classification import Classification

K, X, U = 4, 2, 6
PROBLEM = Problem(
    num_classes=K,
    train_rows=12,
    labeled_rows=4,
    unlabeled_rows=12,
    labeled_batch=X,
    unlabeled_batch=U,
    labeled_counts=(1, 1, 1, 1),
)


def build(**settings: Any) -> FreeMatch:
    student = network.LogitsTable(X + 2 * U, K)
    return FreeMatch(student, Classification("abcd"), PROBLEM, FreeMatch.Config(**settings))


def step(method: FreeMatch, logits: np.ndarray, label: np.ndarray) -> tuple[StepOutput, np.ndarray]:
    """The output of a step on these logits, and the gradient with respect to them."""
    method.student.fill(logits)
    out = method(network.numbered_batch(label, np.arange(U)), Progress(0, 10))
    out.loss.backward()
    return out, method.student.table.grad.numpy()


@pytest.mark.parametrize(
    "settings",
    [
        {"threshold_decay": 0.9, "fairness_weight": 0.5},
        {"threshold_decay": 0.5, "fairness_weight": 0.0, "unlabeled_weight": 0.3},
        {"threshold_decay": 0.8, "threshold_min": 0.6, "threshold_max": 0.65, "fairness_weight": 2.0},
    ],
)
def test_loss_gradient_and_state_are_those_of_the_formula_at_each_step(settings: dict[str, Any]) -> None:
    method, rng, averages = build(**settings), np.random.default_rng(0), formula.Averages.start(K)
    passed = []
    for _ in range(8):
        logits, label = 2.0 * rng.standard_normal((X + 2 * U, K)), rng.integers(0, K, X)
        weak = logits[X : X + U]
        probs = base.softmax(weak)
        averages.move(
            probs, settings["threshold_decay"], settings.get("threshold_min", 0.0), settings.get("threshold_max", 1.0)
        )
        mask = averages.mask(probs)

        def loss_of(
            values: np.ndarray, label: np.ndarray = label, weak: np.ndarray = weak, mask: np.ndarray = mask
        ) -> float:
            supervised, unsupervised = base.losses(values[:X], label, weak, values[X + U :], mask)
            fairness = averages.fairness(base.softmax(values[X + U :]), mask)
            return (
                supervised
                + settings.get("unlabeled_weight", 1.0) * unsupervised
                + settings["fairness_weight"] * fairness
            )

        out, gradient = step(method, logits, label)
        assert float(out.loss.detach()) == pytest.approx(loss_of(logits), rel=1e-6)
        np.testing.assert_allclose(gradient, numeric.gradient(loss_of, logits), rtol=1e-5, atol=2e-7)
        assert not gradient[X : X + U].any()  # the weak view makes the target
        assert out.pseudo_labels is not None
        np.testing.assert_array_equal(out.pseudo_labels.weight.numpy(), mask)

        method.remember(out)
        assert float(method.threshold) == pytest.approx(averages.tau, rel=1e-6)
        np.testing.assert_allclose(method.class_probs.numpy(), averages.p, rtol=1e-6)
        np.testing.assert_allclose(method.class_shares.numpy(), averages.h, rtol=1e-6)
        np.testing.assert_array_equal(method.pseudo_label_weight(torch.from_numpy(probs)).numpy(), mask)
        passed.append(mask.mean())
    assert 0.0 < np.mean(passed) < 1.0  # both kinds of row were met


def test_where_no_row_passes_fairness_is_zero_and_has_a_gradient_of_zero() -> None:
    method = build(threshold_min=0.9, threshold_max=0.95, fairness_weight=1.0)
    out, gradient = step(method, np.zeros((X + 2 * U, K)), np.zeros(X, np.int64))
    assert float(out.log["fairness"]) == 0.0
    assert not gradient[X:].any() and np.isfinite(gradient).all()


def test_fairness_is_lowest_in_value_where_the_strong_predictions_are_uneven() -> None:
    even = torch.full((K,), 0.25)
    fair = fairness_loss(even, even, even, even)
    uneven = fairness_loss(even, even, torch.tensor([0.55, 0.15, 0.15, 0.15]), even)
    assert float(fair) == pytest.approx(-np.log(4))
    assert float(uneven) < float(fair)


def test_a_class_that_vanished_from_the_histogram_gives_a_finite_loss() -> None:
    shares = torch.tensor([0.5, 0.5, 1e-42, 0.0])
    value = fairness_loss(torch.full((K,), 0.25), shares, torch.full((K,), 0.25), torch.tensor([0.5, 0.5, 0.0, 0.0]))
    assert bool(torch.isfinite(value))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unlabeled_weight": -1.0}, "method.unlabeled_weight must be at least 0, got -1.0"),
        ({"fairness_weight": -0.1}, "method.fairness_weight must be at least 0, got -0.1"),
        ({"threshold_decay": 1.0}, r"method.threshold_decay must be in \[0, 1\), got 1.0"),
        ({"threshold_min": -0.1}, r"method.threshold_min must be in \[0, 1\], got -0.1"),
        ({"threshold_max": 1.5}, r"method.threshold_max must be in \[threshold_min, 1\] = \[0, 1\], got 1.5"),
        ({"threshold_min": 0.9, "threshold_max": 0.8}, r"method.threshold_max must be in .*\[0.9, 1\], got 0.8"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FreeMatch.Config(**settings)
