"""Prototypes: loss and gradient against a naive version with loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import class_means as formula
from reference import logits_table as network
from reference import losses as numeric
from reference import probes
from tutelage.core.batch import Batch, Progress, Samples, StepOutput
from tutelage.core.errors import ConfigError
from tutelage.core.feature_bank import FeatureBank
from tutelage.methods.base import Problem
from tutelage.methods.prototypes import Prototypes
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
    return 1.5 * torch.randn(K, D, generator=draw)[torch.arange(N) % K] + torch.randn(N, D, generator=draw)


def build(unlabeled: list[int] = STREAM, **settings: Any) -> Prototypes:
    student = network.LogitsTable(X + U, K)
    method = Prototypes(student, Classification("abc"), PROBLEM, Prototypes.Config(**settings))
    method.prepare(FeatureBank(features(), torch.tensor(LABELED), torch.tensor(LABEL), torch.tensor(unlabeled)))
    return method


def soft_labels(temperature: float = 0.1, rounds: int = 10, share: float = 0.0, k: int = 5) -> np.ndarray:
    """(N, K): q of the rows of both streams, and uniform elsewhere."""
    rows = features().double().numpy()
    unlabeled = [row for row in STREAM if row not in LABELED]
    means = formula.means(rows[LABELED], LABEL, rows[unlabeled], K, temperature, rounds)
    votes = probes.knn_scores(rows, rows[LABELED], np.array(LABEL), K, k, temperature)
    q = np.full((N, K), 1 / K)
    for row in unlabeled:
        q[row] = (1 - share) * np.array(formula.assigned(rows[row], means, temperature))
        q[row] += share * votes[row] / votes[row].sum()
    q[LABELED] = np.eye(K)[LABEL]
    return q


def step(method: Prototypes, logits: np.ndarray, index: list[int]) -> tuple[StepOutput, np.ndarray]:
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
        ({"temperature": 0.4, "rounds": 2}, {"temperature": 0.4, "rounds": 2}),
        ({"rounds": 0, "neighbor_share": 0.3, "neighbors": 2}, {"rounds": 0, "share": 0.3, "k": 2}),
    ],
)
def test_loss_and_gradient_are_those_of_the_formula(settings: dict[str, Any], own: dict[str, Any]) -> None:
    method, draw = build(**settings), np.random.default_rng(0)
    logits, index = 2.0 * draw.standard_normal((X + U, K)), [5, 0, 23, 14]
    q = soft_labels(**own)[index]
    out, gradient = step(method, logits, index)
    assert float(out.loss.detach()) == pytest.approx(naive_loss(logits[X:], q), abs=1e-4)
    expected = numeric.gradient(lambda values: naive_loss(values[X:], q), logits)
    np.testing.assert_allclose(gradient, expected, atol=1e-4)
    assert not gradient[:X].any()  # the labels are learned as part of q
    assert out.unlabeled_loss is not None and float(out.unlabeled_loss) == float(out.loss.detach())
    assert float(out.log["label_loss"]) == pytest.approx(naive_loss(logits[:X], np.eye(K)[[0, 1]]), rel=1e-6)


def test_rows_that_are_held_out_take_no_part_and_labels_stay_as_they_are() -> None:
    soft = build().soft
    np.testing.assert_allclose(soft.numpy(), soft_labels(), atol=1e-4)
    assert torch.equal(soft[HELD_OUT], torch.full((2, K), 1 / K))
    whole = build(list(range(N))).soft
    assert not torch.allclose(whole[STREAM], soft[STREAM], atol=1e-4)


def test_labels_are_learned_beside_an_unlabeled_stream_that_has_none_of_them() -> None:
    rows = [row for row in STREAM if row not in LABELED]
    method, logits, index = build(rows), 2.0 * np.random.default_rng(1).standard_normal((X + U, K)), [5, 10, 23, 14]
    q = soft_labels()[index]

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
        ({"temperature": 0.01}, "method.temperature must be at least 0.02, got 0.01"),
        ({"rounds": -1}, "method.rounds must be at least 0, got -1"),
        ({"neighbor_share": 1.1}, r"method.neighbor_share must be in \[0, 1\], got 1.1"),
        ({"neighbors": 0}, "method.neighbors must be at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Prototypes.Config(**settings)
