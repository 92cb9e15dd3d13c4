"""Pseudo-Label: loss and gradient against a naive float64 version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import pseudo_label as reference
from reference.losses import gradient
from support.linear import Linear, problem
from tutelage.core.batch import Batch, Progress, Samples
from tutelage.core.errors import ConfigError
from tutelage.methods.pseudo_label import PseudoLabel
from tutelage.tasks.classification import Classification

K, X, U = 3, 2, 6
PROBLEM = problem(X, U)


def build(**settings: Any) -> tuple[PseudoLabel, Batch]:
    torch.manual_seed(3)
    method = PseudoLabel(Linear(), Classification("abc"), PROBLEM, PseudoLabel.Config(**settings)).double()
    labeled = Samples((torch.randn(X, 1, 2, 2).double(),), torch.arange(X), torch.tensor([0, 2]))
    return method, Batch(labeled, Samples((2 * torch.randn(U, 1, 2, 2).double(),), torch.arange(U)))


def pixels(samples: Samples | None) -> np.ndarray:
    assert samples is not None
    return samples.views[0].flatten(1).numpy()


@pytest.mark.parametrize("settings", [{"threshold": 0.6}, {"threshold": 0.5, "unlabeled_weight": 3.0, "rampup": 0.8}])
@pytest.mark.parametrize("step", [0, 3, 9])
def test_loss_and_gradient_are_those_of_the_formula(settings: dict[str, Any], step: int) -> None:
    method, batch = build(**settings)
    out = method(batch, Progress(step, 10))
    out.loss.backward()
    assert out.pseudo_labels is not None
    assert 0 < float(out.pseudo_labels.weight.sum()) < U  # rows on both sides of the threshold

    head = method.student.head
    weight, bias = head.weight.detach().numpy().copy(), head.bias.detach().numpy().copy()
    judged = pixels(batch.unlabeled) @ weight.T + bias
    ramp = min(step / (settings.get("rampup", 0.4) * 10), 1.0)

    def loss_of(weight: np.ndarray, bias: np.ndarray) -> float:
        labeled, unlabeled = (pixels(s) @ weight.T + bias for s in (batch.labeled, batch.unlabeled))
        full = settings.get("unlabeled_weight", 1.0) * ramp
        return reference.pseudo_label_loss(
            labeled.tolist(), [0, 2], unlabeled.tolist(), judged.tolist(), threshold=settings["threshold"], weight=full
        )

    assert float(out.loss.detach()) == pytest.approx(loss_of(weight, bias), rel=1e-6)
    for parameter, expected in (
        (head.weight, gradient(lambda w: loss_of(w, bias), weight)),
        (head.bias, gradient(lambda b: loss_of(weight, b), bias)),
    ):
        np.testing.assert_allclose(parameter.grad.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_pseudo_labels_below_the_threshold_add_nothing() -> None:
    method, batch = build(threshold=1.0)
    out = method(batch, Progress(9, 10))
    assert float(out.log["unsupervised"]) == 0.0
    assert out.pseudo_labels is not None and float(out.pseudo_labels.weight.sum()) == 0.0


def test_a_confidence_equal_to_the_threshold_counts() -> None:
    method, _ = build(threshold=0.75)
    assert method.pseudo_label_weight(torch.tensor([[0.75, 0.25, 0.0], [0.74, 0.26, 0.0]])).tolist() == [1.0, 0.0]


def test_the_pseudo_labels_of_a_step_are_reported() -> None:
    method, batch = build(threshold=0.6)
    assert batch.unlabeled is not None
    probs = method.student(batch.unlabeled.views[0]).softmax(1)
    pseudo_labels = method(batch, Progress(0, 10)).pseudo_labels
    assert pseudo_labels is not None
    assert torch.equal(pseudo_labels.label, probs.argmax(1))
    assert torch.equal(pseudo_labels.weight, (probs.amax(1) >= 0.6).float())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 1.5}, r"method.threshold must be in \[0, 1\], got 1.5"),
        ({"unlabeled_weight": -1.0}, "method.unlabeled_weight must be at least 0"),
        ({"rampup": 1.5}, r"method.rampup must be in \[0, 1\]"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PseudoLabel.Config(**settings)


def test_the_defaults_are_those_of_fixmatchs_code() -> None:
    cfg = PseudoLabel.Config()
    assert (cfg.threshold, cfg.unlabeled_weight, cfg.rampup, cfg.slowest) == (0.95, 1.0, 0.4, 0.999)
