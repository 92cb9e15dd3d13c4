"""SoftMatch's loss, gradient and moving statistics against a naive float64 version."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from reference import logits_table as network
from reference import losses as numeric
from reference import softmatch as formula
from reference import weighted_pseudo_labels as base
from tutelage.core.batch import Progress, StepOutput
from tutelage.core.errors import ConfigError
from tutelage.methods.base import Problem
from tutelage.methods.softmatch import SoftMatch, gaussian_weight
from tutelage.tasks.classification import Classification

K, X, U = 3, 2, 5
PROBLEM = Problem(
    num_classes=K,
    train_rows=12,
    labeled_rows=4,
    unlabeled_rows=12,
    labeled_batch=X,
    unlabeled_batch=U,
    labeled_counts=(2, 1, 1),
)


def build(**settings: Any) -> SoftMatch:
    student = network.LogitsTable(X + 2 * U, K)
    return SoftMatch(student, Classification("abc"), PROBLEM, SoftMatch.Config(**settings))


def step(method: SoftMatch, logits: np.ndarray, label: np.ndarray, done: int = 0) -> tuple[StepOutput, np.ndarray]:
    """The output of a step on these logits after `done` others, and the gradient with respect to them."""
    method.student.fill(logits)
    out = method(network.numbered_batch(label, np.arange(U)), Progress(done, 10))
    out.loss.backward()
    return out, method.student.table.grad.numpy()


@pytest.mark.parametrize(
    ("alignment", "start"),
    [
        ("uniform", "uniform"),
        ("labeled", "uniform"),
        ("none", "uniform"),
        ("uniform", "first-batch"),
        ("labeled", "first-batch"),
    ],
)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"statistics_decay": 0.5, "sigmas": 1.0, "unlabeled_weight": 0.3},
        {"passes": "separate"},
        {"statistics_start": "first-batch"},
    ],
)
def test_loss_gradient_and_state_are_those_of_the_formula_at_each_step(
    alignment: str, start: str, settings: dict[str, Any]
) -> None:
    method, rng = build(alignment=alignment, alignment_start=start, **settings), np.random.default_rng(0)
    statistics = formula.Statistics(K, alignment, start, settings.get("statistics_start", "published"))
    for done in range(6):
        logits, label = 2.0 * rng.standard_normal((X + 2 * U, K)), rng.integers(0, K, X)
        labeled, weak = logits[:X], logits[X : X + U]
        probs = base.softmax(weak)
        statistics.move(probs, base.softmax(labeled), settings.get("statistics_decay", 0.999))
        weight = statistics.weights(probs, settings.get("sigmas", 2.0))

        def loss_of(
            values: np.ndarray, label: np.ndarray = label, weak: np.ndarray = weak, weight: np.ndarray = weight
        ) -> float:
            supervised, unsupervised = base.losses(values[:X], label, weak, values[X + U :], weight)
            return supervised + settings.get("unlabeled_weight", 1.0) * unsupervised

        out, gradient = step(method, logits, label, done)
        assert float(out.loss.detach()) == pytest.approx(loss_of(logits), rel=1e-6)
        np.testing.assert_allclose(gradient, numeric.gradient(loss_of, logits), rtol=1e-5, atol=1e-7)
        assert not gradient[X : X + U].any()  # the weak view makes the target
        assert out.pseudo_labels is not None
        np.testing.assert_allclose(out.pseudo_labels.weight.numpy(), weight, rtol=1e-5)
        assert out.pseudo_labels.label.tolist() == weak.argmax(1).tolist()  # of the probabilities as they are

        method.remember(out)
        assert float(method.mean) == pytest.approx(statistics.mu, rel=1e-6)
        assert float(method.variance) == pytest.approx(statistics.variance, rel=1e-6)
        np.testing.assert_allclose(method.class_probs.numpy(), statistics.q, rtol=1e-6)
        np.testing.assert_allclose(method.target.numpy(), statistics.target, rtol=1e-6)
        np.testing.assert_allclose(method.pseudo_label_weight(torch.from_numpy(probs)).numpy(), weight, rtol=1e-5)


@pytest.mark.parametrize("alignment", ["uniform", "labeled"])
def test_with_aligned_labels_the_pseudo_label_is_that_of_the_aligned_prediction(alignment: str) -> None:
    method, rng = build(alignment=alignment, aligned_labels=True, statistics_decay=0.5), np.random.default_rng(2)
    statistics, differ = formula.Statistics(K, alignment), 0
    for done in range(6):
        logits, label = 2.0 * rng.standard_normal((X + 2 * U, K)), rng.integers(0, K, X)
        logits[X : X + U, 0] += 1.5  # a class that is predicted too often
        labeled, weak = logits[:X], logits[X : X + U]
        probs = base.softmax(weak)
        statistics.move(probs, base.softmax(labeled), 0.5)
        aligned = np.array([statistics.aligned(row) for row in probs])
        supervised, unsupervised = base.losses(labeled, label, aligned, logits[X + U :], statistics.weights(probs, 2.0))
        out, _ = step(method, logits, label, done)
        assert float(out.loss.detach()) == pytest.approx(supervised + unsupervised, rel=1e-5)
        assert out.pseudo_labels is not None
        assert out.pseudo_labels.label.tolist() == aligned.argmax(1).tolist()
        differ += int((aligned.argmax(1) != weak.argmax(1)).sum())
        method.remember(out)
        np.testing.assert_allclose(method.guess(torch.from_numpy(probs)).numpy(), aligned, rtol=1e-5)
    assert differ > 0


def test_without_them_a_guess_is_the_prediction_as_it_is() -> None:
    probs = torch.rand(4, K)
    assert torch.equal(build().guess(probs), probs)


def test_the_first_batch_is_aligned_to_its_own_mean_where_it_starts_the_distribution() -> None:
    method, rng = build(alignment_start="first-batch"), np.random.default_rng(1)
    logits, label = rng.standard_normal((X + 2 * U, K)), rng.integers(0, K, X)
    out, _ = step(method, logits, label)
    np.testing.assert_allclose(out.keep["class_probs"], base.softmax(logits[X : X + U]).mean(0), rtol=1e-6)


def test_a_row_above_the_mean_counts_fully_and_one_two_sigmas_below_as_exp_minus_eight() -> None:
    mean, variance = torch.tensor(0.7), torch.tensor(0.01)
    weight = gaussian_weight(torch.tensor([0.9, 0.7, 0.5]), mean, variance, 2.0)
    assert weight.tolist() == pytest.approx([1.0, 1.0, np.exp(-8.0)])


def test_without_any_spread_no_weight_is_nan() -> None:
    weight = gaussian_weight(torch.tensor([0.5, 0.4]), torch.tensor(0.5), torch.tensor(0.0), 2.0)
    assert weight.tolist() == [1.0, 0.0]


def test_one_unlabeled_row_a_step_has_no_variance_and_is_refused() -> None:
    problem = dataclasses.replace(PROBLEM, unlabeled_batch=1)
    with pytest.raises(ConfigError, match="softmatch needs at least 2 unlabeled images per step"):
        SoftMatch(network.LogitsTable(4, K), Classification("abc"), problem, SoftMatch.Config())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unlabeled_weight": -1.0}, "method.unlabeled_weight must be at least 0, got -1.0"),
        ({"sigmas": 0.0}, "method.sigmas must be above 0, got 0.0"),
        ({"statistics_decay": 1.0}, r"method.statistics_decay must be in \[0, 1\), got 1.0"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
        (
            {"alignment": "none", "alignment_start": "first-batch"},
            "method.alignment_start does nothing with method.alignment = 'none'",
        ),
        (
            {"alignment": "none", "aligned_labels": True},
            "method.aligned_labels does nothing with method.alignment = 'none'",
        ),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SoftMatch.Config(**settings)
