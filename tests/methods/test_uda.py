"""UDA: loss and gradient, with and without signal annealing, against a naive float64 version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import uda as reference
from reference.losses import gradient
from support.linear import Linear, problem
from tutelage.core.batch import Batch, Progress, Samples
from tutelage.core.errors import ConfigError
from tutelage.methods.uda import UDA
from tutelage.tasks.classification import Classification

K, X, U = 3, 5, 6
LABELS = [0, 2, 1, 1, 0]
PROBLEM = problem(X, U)


def build(**settings: Any) -> tuple[UDA, Batch]:
    torch.manual_seed(3)
    method = UDA(Linear(), Classification("abc"), PROBLEM, UDA.Config(**settings)).double()
    labeled = Samples((3 * torch.randn(X, 1, 2, 2).double(),), torch.arange(X), torch.tensor(LABELS))
    views = (3 * torch.randn(U, 1, 2, 2).double(), torch.randn(U, 1, 2, 2).double())
    return method, Batch(labeled, Samples(views, torch.arange(U)))


@pytest.mark.parametrize(
    "settings",
    [
        {"threshold": 0.7},
        {"threshold": 0.7, "temperature": 1.0, "unlabeled_weight": 3.0},
        {"threshold": 0.7, "signal_annealing": "linear"},
        {"threshold": 0.7, "signal_annealing": "exp"},
        {"threshold": 0.7, "signal_annealing": "log"},
    ],
)
@pytest.mark.parametrize("step", [0, 4, 9])
def test_loss_and_gradient_are_those_of_the_formula(settings: dict[str, Any], step: int) -> None:
    method, batch = build(**settings)
    out = method(batch, Progress(step, 10))
    out.loss.backward()
    assert out.pseudo_labels is not None
    assert 0 < float(out.pseudo_labels.weight.sum()) < U  # rows on both sides of the threshold

    assert batch.labeled is not None and batch.unlabeled is not None
    views = [view.flatten(1).numpy() for view in (batch.labeled.views[0], *batch.unlabeled.views)]
    head, cfg = method.student.head, method.cfg
    weight, bias = head.weight.detach().numpy().copy(), head.bias.detach().numpy().copy()
    target = (views[1] @ weight.T + bias).tolist()
    limit = None
    if cfg.signal_annealing != "off":
        limit = reference.signal_threshold(cfg.signal_annealing, step, 10, K)
        assert out.log["signal_threshold"] == pytest.approx(limit)

    def loss_of(weight: np.ndarray, bias: np.ndarray) -> float:
        labeled, strong = ((view @ weight.T + bias).tolist() for view in (views[0], views[2]))
        consistency = reference.consistency_loss(target, strong, cfg.threshold, cfg.temperature)
        return reference.supervised_loss(labeled, LABELS, limit) + cfg.unlabeled_weight * consistency

    assert float(out.loss.detach()) == pytest.approx(loss_of(weight, bias), rel=1e-6)
    for parameter, expected in (
        (head.weight, gradient(lambda w: loss_of(w, bias), weight)),
        (head.bias, gradient(lambda b: loss_of(weight, b), bias)),
    ):
        np.testing.assert_allclose(parameter.grad.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_the_threshold_looks_at_the_unsharpened_prediction() -> None:
    method, batch = build(threshold=0.7, temperature=0.1)
    assert batch.unlabeled is not None
    logits = method.student(batch.unlabeled.views[0])
    plain, sharp = logits.softmax(1).amax(1) >= 0.7, (logits / 0.1).softmax(1).amax(1) >= 0.7
    assert not torch.equal(plain, sharp)
    out = method(batch, Progress(0, 10))
    assert out.pseudo_labels is not None and torch.equal(out.pseudo_labels.weight, plain.float())


def test_signal_annealing_leaves_out_more_rows_early_than_late() -> None:
    counted = []
    for step in (0, 5, 10):
        method, batch = build(signal_annealing="linear")
        assert batch.labeled is not None
        right = method.student(batch.labeled.views[0]).softmax(1)[range(X), LABELS]
        limit = method(batch, Progress(step, 10)).log["signal_threshold"]
        counted.append(int((right <= limit).sum()))
    assert counted[0] < counted[1] < counted[2] == X


def test_without_a_labeled_row_that_counts_the_class_loss_is_zero_and_finite() -> None:
    method, batch = build(signal_annealing="exp", unlabeled_weight=0.0)
    assert batch.labeled is not None
    best = method.student(batch.labeled.views[0]).argmax(1)
    batch.labeled.label = best  # so p(label) > 1 / K
    out = method(batch, Progress(0, 10**9))
    out.loss.backward()
    assert float(out.loss.detach()) == 0.0
    assert float(method.student.head.weight.grad.abs().sum()) == 0.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": -0.1}, r"method.threshold must be in \[0, 1\], got -0.1"),
        ({"temperature": 0.0}, "method.temperature must be above 0"),
        ({"unlabeled_weight": -1.0}, "method.unlabeled_weight must be at least 0"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        UDA.Config(**settings)


def test_the_defaults_are_those_of_the_paper() -> None:
    cfg = UDA.Config()
    assert (cfg.threshold, cfg.temperature, cfg.unlabeled_weight, cfg.signal_annealing) == (0.8, 0.4, 1.0, "off")
