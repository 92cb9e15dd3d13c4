"""Label propagation: loss and gradient against a naive version with dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import label_propagation as formula
from reference import logits_table as network
from reference import losses as numeric
from tutelage.core.batch import Batch, Progress, Samples, StepOutput
from tutelage.core.errors import ConfigError
from tutelage.core.feature_bank import FeatureBank
from tutelage.methods.base import Problem
from tutelage.methods.label_propagation import LabelPropagation
from tutelage.tasks.classification import Classification

K, X, U, N, D = 3, 2, 4, 24, 5
LABELED, LABEL = [0, 1, 2, 3], [0, 1, 2, 0]
HELD_OUT = [9, 20]  # in neither stream
PROBLEM = Problem(
    num_classes=K,
    train_rows=N,
    labeled_rows=4,
    unlabeled_rows=N,
    labeled_batch=X,
    unlabeled_batch=U,
    labeled_counts=(2, 1, 1),
)
STREAM = [row for row in range(N) if row not in HELD_OUT]


def features() -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return 2.0 * torch.randn(K, D, generator=draw)[torch.arange(N) % K] + torch.randn(N, D, generator=draw)


def build(unlabeled: list[int] = STREAM, **settings: Any) -> LabelPropagation:
    student = network.LogitsTable(X + U, K)
    method = LabelPropagation(student, Classification("abc"), PROBLEM, LabelPropagation.Config(**settings))
    method.prepare(FeatureBank(features(), torch.tensor(LABELED), torch.tensor(LABEL), torch.tensor(unlabeled)))
    return method


def soft_labels(
    rows: list[int], k: int = 10, alpha: float = 0.99, gamma: float = 3.0, mass: bool = False
) -> np.ndarray:
    """(N, K): q of the rows of both streams, and uniform elsewhere."""
    graph = formula.graph(features().double().numpy()[rows], k, gamma)
    places = [rows.index(row) for row in LABELED]
    q = np.full((N, K), 1 / K)
    q[rows] = formula.spread(graph, places, LABEL, K, alpha, mass)
    return q


def step(method: LabelPropagation, logits: np.ndarray, index: list[int]) -> tuple[StepOutput, np.ndarray]:
    method.student.fill(logits)
    numbers = torch.arange(X + U, dtype=torch.float64).view(-1, 1)
    batch = Batch(
        Samples((numbers[:X],), torch.tensor([0, 1]), torch.tensor([0, 1])),
        Samples((numbers[X:],), torch.tensor(index)),
    )
    out = method(batch, Progress(0, 10))
    out.loss.backward()
    return out, method.student.table.grad.numpy()


def naive_loss(logits: np.ndarray, q: np.ndarray) -> float:
    """mean H(q(u), p(u))."""
    total = 0.0
    for row, target in zip(logits, q, strict=True):
        log_probs = row - np.log(np.exp(row).sum())
        total -= sum(float(t * value) for t, value in zip(target, log_probs, strict=True))
    return total / len(q)


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        ({}, {}),
        ({"neighbors": 4, "alpha": 0.7, "gamma": 1.0}, {"k": 4, "alpha": 0.7, "gamma": 1.0}),
        ({"neighbors": 6, "class_mass": "uniform"}, {"k": 6, "mass": True}),
    ],
)
def test_loss_and_gradient_are_those_of_the_formula(settings: dict[str, Any], own: dict[str, Any]) -> None:
    method, draw = build(**settings), np.random.default_rng(0)
    logits, index = 2.0 * draw.standard_normal((X + U, K)), [5, 0, 23, 14]
    q = soft_labels(STREAM, **own)[index]
    out, gradient = step(method, logits, index)
    assert float(out.loss.detach()) == pytest.approx(naive_loss(logits[X:], q), abs=1e-4)
    expected = numeric.gradient(lambda values: naive_loss(values[X:], q), logits)
    np.testing.assert_allclose(gradient, expected, atol=1e-4)
    assert not gradient[:X].any()  # the labels are learned as part of q
    assert out.unlabeled_loss is not None and float(out.unlabeled_loss) == float(out.loss.detach())
    assert float(out.log["label_loss"]) == pytest.approx(naive_loss(logits[:X], np.eye(K)[[0, 1]]), rel=1e-6)


def test_rows_that_are_held_out_take_no_part() -> None:
    soft = build().soft
    np.testing.assert_allclose(soft.numpy(), soft_labels(STREAM), atol=1e-4)
    assert torch.equal(soft[HELD_OUT], torch.full((2, K), 1 / K))
    whole = build(list(range(N))).soft
    assert not torch.allclose(whole[STREAM], soft[STREAM], atol=1e-3)


def test_labeled_rows_take_part_where_the_unlabeled_stream_has_none_of_them() -> None:
    rows = [row for row in STREAM if row not in LABELED]
    np.testing.assert_allclose(build(rows).soft.numpy(), soft_labels(STREAM), atol=1e-4)


def test_labels_are_learned_beside_an_unlabeled_stream_that_has_none_of_them() -> None:
    rows = [row for row in STREAM if row not in LABELED]
    method, logits, index = build(rows), 2.0 * np.random.default_rng(1).standard_normal((X + U, K)), [5, 10, 23, 14]
    q = soft_labels(STREAM)[index]

    def expected(values: np.ndarray) -> float:
        unlabeled, labeled = naive_loss(values[X:], q), naive_loss(values[:X], np.eye(K)[[0, 1]])
        return (len(rows) * unlabeled + len(LABELED) * labeled) / (len(rows) + len(LABELED))

    out, gradient = step(method, logits, index)
    assert float(out.loss.detach()) == pytest.approx(expected(logits), abs=1e-4)
    np.testing.assert_allclose(gradient, numeric.gradient(expected, logits), atol=1e-4)
    assert np.abs(gradient[:X]).max() > 0.01
    assert out.unlabeled_loss is not None
    assert float(out.unlabeled_loss) == pytest.approx(naive_loss(logits[X:], q) * len(rows) / len(STREAM), abs=1e-4)


def test_the_soft_labels_are_no_part_of_a_checkpoint_since_they_follow_from_the_features() -> None:
    first, second = build(), build()
    assert "soft" not in first.state_dict()
    assert torch.equal(first.soft, second.soft)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"neighbors": 0}, "method.neighbors must be at least 1, got 0"),
        ({"alpha": 1.0}, r"method.alpha must be in \(0, 1\), got 1.0"),
        ({"alpha": 0.0}, r"method.alpha must be in \(0, 1\), got 0.0"),
        ({"gamma": 0.0}, "method.gamma must be above 0, got 0.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LabelPropagation.Config(**settings)
