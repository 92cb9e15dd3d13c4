"""MixMatch: guesses, mixed rows, loss and gradient against a naive float64 version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Beta

from reference import mixmatch as reference
from reference.losses import gradient
from support.linear import Linear, problem
from tutelage.core.batch import Batch, Progress, Samples, StepOutput
from tutelage.core.errors import ConfigError
from tutelage.methods.mixmatch import MixMatch
from tutelage.tasks.classification import Classification

K, X, U = 3, 3, 5
ROWS = X + 2 * U
PROBLEM = problem(X, U)


def build(**settings: Any) -> tuple[MixMatch, Batch]:
    torch.manual_seed(3)
    method = MixMatch(Linear(), Classification("abc"), PROBLEM, MixMatch.Config(**settings)).double()
    labeled = Samples((torch.randn(X, 1, 2, 2).double(),), torch.arange(X), torch.tensor([0, 2, 1]))
    views = (2 * torch.randn(U, 1, 2, 2).double(), 2 * torch.randn(U, 1, 2, 2).double())
    return method, Batch(labeled, Samples(views, torch.arange(U)))


def step_of(method: MixMatch, batch: Batch, t: Progress) -> tuple[StepOutput, np.ndarray, np.ndarray]:
    """The output, and the mixing shares and partners that this step drew."""
    torch.manual_seed(7)
    out = method(batch, t)
    torch.manual_seed(7)
    alpha = method.cfg.mixup_alpha
    shares = Beta(alpha, alpha).sample((ROWS if method.cfg.mixup_draw == "row" else 1,)).expand(ROWS)
    return out, shares.double().numpy(), torch.randperm(ROWS).numpy()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"mixup_draw": "batch", "mixup_alpha": 0.5, "unlabeled_weight": 100.0, "rampup": 0.4},
        {"temperature": 1.0, "unlabeled_weight": 3.0, "rampup": 0.0},
    ],
)
@pytest.mark.parametrize("step", [0, 3, 9])
def test_loss_and_gradient_are_those_of_the_formula(settings: dict[str, Any], step: int) -> None:
    method, batch = build(**settings)
    out, shares, partners = step_of(method, batch, Progress(step, 10))
    out.loss.backward()

    assert batch.labeled is not None and batch.unlabeled is not None
    views = [view.flatten(1).numpy() for view in (batch.labeled.views[0], *batch.unlabeled.views)]
    head, cfg = method.student.head, method.cfg
    weight, bias = head.weight.detach().numpy().copy(), head.bias.detach().numpy().copy()
    guess = reference.guess([view @ weight.T + bias for view in views[1:]], cfg.temperature)
    label = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0], *guess, *guess], dtype=np.float64)
    images = reference.mix(np.concatenate(views), shares, partners)
    label = reference.mix(label, shares, partners)
    ramp = min(step / (cfg.rampup * 10), 1.0) if cfg.rampup else 1.0

    def loss_of(weight: np.ndarray, bias: np.ndarray) -> float:
        logits = images @ weight.T + bias
        unsupervised = reference.squared_error(logits[X:], label[X:])
        return reference.soft_cross_entropy(logits[:X], label[:X]) + cfg.unlabeled_weight * ramp * unsupervised

    assert float(out.loss.detach()) == pytest.approx(loss_of(weight, bias), rel=1e-6)
    for parameter, expected in (
        (head.weight, gradient(lambda w: loss_of(w, bias), weight)),
        (head.bias, gradient(lambda b: loss_of(weight, b), bias)),
    ):
        np.testing.assert_allclose(parameter.grad.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_the_guess_is_the_argument_of_the_mean_over_both_views() -> None:
    method, batch = build()
    assert batch.unlabeled is not None
    mean = torch.stack([method.student(view).softmax(1) for view in batch.unlabeled.views]).mean(0)
    pseudo_labels = method(batch, Progress(0, 10)).pseudo_labels
    assert pseudo_labels is not None
    assert torch.equal(pseudo_labels.label, mean.argmax(1))
    assert torch.equal(pseudo_labels.weight, torch.ones(U))


def test_guesses_come_from_a_student_in_training_mode() -> None:
    method, batch = build()
    modes: list[bool] = []
    method.student.register_forward_hook(lambda module, images, logits: modes.append(module.training))
    method.train()(batch, Progress(0, 10))
    assert modes == [True, True]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "method.temperature must be above 0"),
        ({"mixup_alpha": 0.0}, "method.mixup_alpha must be above 0"),
        ({"unlabeled_weight": -1.0}, "method.unlabeled_weight must be at least 0"),
        ({"rampup": 1.5}, r"method.rampup must be in \[0, 1\]"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MixMatch.Config(**settings)


def test_the_defaults_are_those_of_the_paper_for_cifar_10() -> None:
    cfg = MixMatch.Config()
    assert (cfg.temperature, cfg.mixup_alpha, cfg.mixup_draw, cfg.unlabeled_weight) == (0.5, 0.75, "row", 75.0)
    assert cfg.rampup * 2**20 == 16384
