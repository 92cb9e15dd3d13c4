"""Logistic regression on features: loss and gradient against a naive version, and where it starts."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from reference import logits_table as network
from reference import losses as numeric
from tutelage.config import options
from tutelage.config.settings import OptimizerConfig
from tutelage.core.batch import Batch, Progress, Samples
from tutelage.core.errors import ConfigError
from tutelage.methods.base import Problem
from tutelage.methods.linear import Linear
from tutelage.networks.frozen import FeatureHead
from tutelage.tasks.classification import Classification
from tutelage.training.optimizer import build_optimizer

K, X = 3, 5
COUNTS = (6, 3, 1)
PROBLEM = Problem(
    num_classes=K,
    train_rows=12,
    labeled_rows=sum(COUNTS),
    unlabeled_rows=12,
    labeled_batch=X,
    unlabeled_batch=X,
    labeled_counts=COUNTS,
)


def build(problem: Problem = PROBLEM, **settings: Any) -> Linear:
    return Linear(network.LogitsTable(X, K), Classification("abc"), problem, Linear.Config(**settings))


def naive(logits: np.ndarray, label: np.ndarray, class_weights: str, counts: tuple[int, ...] = COUNTS) -> float:
    """sum_i c_y(i) H(y_i, p_i) / sum_i c_y(i), with c = 1 or n / (K n_k)."""
    total, weights = 0.0, 0.0
    for row, y in zip(logits, label, strict=True):
        c = 1.0 if class_weights == "none" else sum(counts) / (len(counts) * counts[y])
        total += c * (math.log(sum(math.exp(value) for value in row)) - row[y])
        weights += c
    return total / weights


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_loss_and_gradient_are_those_of_the_formula(class_weights: str) -> None:
    method, draw = build(class_weights=class_weights), np.random.default_rng(0)
    logits, label = 2.0 * draw.standard_normal((X, K)), np.array([0, 2, 1, 0, 0])
    method.student.fill(logits)
    views = (torch.arange(X, dtype=torch.float64).view(-1, 1),)
    out = method(Batch(Samples(views, torch.arange(X), torch.from_numpy(label)), None), Progress(0, 10))
    out.loss.backward()
    assert float(out.loss.detach()) == pytest.approx(naive(logits, label, class_weights), rel=1e-6)
    gradient = numeric.gradient(lambda values: naive(values, label, class_weights), logits)
    np.testing.assert_allclose(method.student.table.grad.numpy(), gradient, rtol=1e-5, atol=1e-7)
    assert float(out.log["supervised"]) == float(out.loss.detach())
    assert out.unlabeled_loss is None and out.pseudo_labels is None


def test_the_weights_of_classes_make_all_classes_count_alike_and_one_without_labels_harms_nothing() -> None:
    weight = build(class_weights="balanced").weight
    assert (weight * torch.tensor(COUNTS)).tolist() == pytest.approx([10 / 3] * 3)
    assert build().weight.tolist() == [1.0] * K
    without = build(dataclasses.replace(PROBLEM, labeled_counts=(6, 4, 0)), class_weights="balanced").weight
    assert torch.isfinite(without).all()


def test_a_head_that_starts_at_the_solution_stays_there_in_full_batches() -> None:
    draw = torch.Generator().manual_seed(0)
    features, label = torch.randn(10, 4, generator=draw), torch.tensor([0] * 6 + [1] * 3 + [2])
    features[:, 0] += label
    head = FeatureHead(4, K)
    head.start_at(features, label, l2=0.05)
    start = head.head.weight.detach().clone()
    method = Linear(head, Classification("abc"), PROBLEM, Linear.Config())
    optimizer = build_optimizer(method, OptimizerConfig(lr=0.5, weight_decay=0.05))
    for step in range(20):
        out = method(Batch(Samples((features,), torch.arange(10), label), None), Progress(step, 20))
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
    torch.testing.assert_close(head.head.weight.detach(), start, rtol=0, atol=1e-3)
    assert float(start.abs().max()) > 0.3


def test_an_unknown_kind_of_class_weights_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"method\.class_weights must be one of none, balanced"):
        options.build(Linear.Config, {"class_weights": "square"}, "method.")
