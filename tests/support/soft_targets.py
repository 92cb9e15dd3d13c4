"""What heads that learn soft labels are tested with: a small problem, a step, and what holds for each of them.

Two of the rows are held out, and four are labeled; the others, and the labeled ones too, make up the unlabeled stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pytest
import torch

from reference import logits_table as network
from reference import losses as numeric
from tutelage.core.batch import Batch, Progress, Samples, StepOutput
from tutelage.core.feature_bank import FeatureBank
from tutelage.methods.base import Problem
from tutelage.methods.soft_targets import SoftTargets
from tutelage.tasks.classification import Classification

K, X, U = 3, 2, 4  # classes, labeled and unlabeled rows of a batch
LABELED, LABEL = [0, 1, 2, 3], [0, 1, 2, 0]
HELD_OUT = [9, 20]  # in neither stream

Head = TypeVar("Head", bound=SoftTargets)


def stream_of(n: int) -> list[int]:
    """The unlabeled stream of `n` rows."""
    return [row for row in range(n) if row not in HELD_OUT]


def without_labeled(rows: Sequence[int]) -> list[int]:
    """A stream that has none of the labeled rows."""
    return [row for row in rows if row not in LABELED]


def new_head(method: type[Head], n: int, cfg: object) -> Head:
    """The method on a table of logits, for `n` training rows, before it has assigned soft labels."""
    problem = Problem(
        num_classes=K,
        train_rows=n,
        labeled_rows=4,
        unlabeled_rows=n,
        labeled_batch=X,
        unlabeled_batch=U,
        labeled_counts=(2, 1, 1),
    )
    return method(network.LogitsTable(X + U, K), Classification("abc"), problem, cfg)


def clustered(n: int, width: int, distance: float, draw: torch.Generator) -> torch.Tensor:
    """(n, width) float32: rows of a class lie around a place of its own, in turn."""
    return distance * torch.randn(K, width, generator=draw)[torch.arange(n) % K] + torch.randn(n, width, generator=draw)


def bank_of(features: torch.Tensor, unlabeled: Sequence[int], widths: tuple[int, ...] = ()) -> FeatureBank:
    """Features (N, D) with the rows of both streams."""
    return FeatureBank(features, torch.tensor(LABELED), torch.tensor(LABEL), torch.tensor(unlabeled), widths)


def step(method: SoftTargets, logits: np.ndarray, index: list[int]) -> tuple[StepOutput, np.ndarray]:
    """What a step gives with these logits (X + U, K), the unlabeled ones of the rows `index`, and its gradient."""
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


def check_loss_and_gradient(method: SoftTargets, soft: np.ndarray) -> None:
    """Those of the formula, where the method has soft labels (N, K) and the unlabeled stream holds the labeled rows."""
    logits, index = 2.0 * np.random.default_rng(0).standard_normal((X + U, K)), [5, 0, 23, 14]
    q = soft[index]
    out, gradient = step(method, logits, index)
    assert float(out.loss.detach()) == pytest.approx(naive_loss(logits[X:], q), abs=1e-4)
    expected = numeric.gradient(lambda values: naive_loss(values[X:], q), logits)
    np.testing.assert_allclose(gradient, expected, atol=1e-4)
    assert not gradient[:X].any(), "the labels are learned as part of q"
    assert out.unlabeled_loss is not None and float(out.unlabeled_loss) == float(out.loss.detach())
    assert float(out.log["label_loss"]) == pytest.approx(naive_loss(logits[:X], np.eye(K)[[0, 1]]), rel=1e-6)


def check_labels_are_learned_beside(method: SoftTargets, soft: np.ndarray, unlabeled: int) -> None:
    """The labels count for the labeled rows, where the unlabeled stream of that many rows has none of these."""
    logits, index = 2.0 * np.random.default_rng(1).standard_normal((X + U, K)), [5, 10, 23, 14]
    q, rows = soft[index], unlabeled + len(LABELED)

    def expected(values: np.ndarray) -> float:
        learned, labeled = naive_loss(values[X:], q), naive_loss(values[:X], np.eye(K)[[0, 1]])
        return (unlabeled * learned + len(LABELED) * labeled) / rows

    out, gradient = step(method, logits, index)
    assert float(out.loss.detach()) == pytest.approx(expected(logits), abs=1e-4)
    np.testing.assert_allclose(gradient, numeric.gradient(expected, logits), atol=1e-4)
    assert np.abs(gradient[:X]).max() > 0.01
    assert out.unlabeled_loss is not None
    assert float(out.unlabeled_loss) == pytest.approx(naive_loss(logits[X:], q) * unlabeled / rows, abs=1e-4)


def check_soft_labels_follow_and_are_not_saved(first: SoftTargets, second: SoftTargets) -> None:
    """Two heads that were built alike have the same soft labels, and no checkpoint holds them."""
    assert "soft" not in first.state_dict()
    assert torch.equal(first.soft, second.soft)
