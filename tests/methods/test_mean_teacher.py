"""Mean Teacher's loss and gradient against a naive float64 version written from the formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from reference import consistency as sntg
from reference import losses as reference
from support.linear import Linear, problem
from tutelage.core.batch import Batch, Progress, Samples
from tutelage.core.errors import ConfigError
from tutelage.methods.mean_teacher import MeanTeacher
from tutelage.tasks.classification import Classification

K, X, U = 3, 2, 3
PROBLEM = problem(X, U)


def build(**settings: object) -> tuple[MeanTeacher, Batch]:
    torch.manual_seed(0)
    method = MeanTeacher(Linear(), Classification("abc"), PROBLEM, MeanTeacher.Config(**settings)).double()
    for p in method.teacher.network.parameters():
        p.add_(torch.randn_like(p))

    def views(rows: int) -> tuple[Tensor, ...]:
        return tuple(torch.randn(rows, 1, 2, 2, dtype=torch.float64) for _ in range(2))

    labeled = Samples(views(X), torch.arange(X), torch.tensor([0, 2]))
    return method, Batch(labeled, Samples(views(U), torch.arange(U)))


def naive_loss(
    method: MeanTeacher, batch: Batch, t: Progress, weights: list[np.ndarray], order: list[int] | None = None
) -> float:
    """The loss for the given student parameters: head weight and bias, then those of a second head.

    `order` is the one in which SNTG pairs the rows.
    """
    cfg = method.cfg
    assert batch.labeled is not None and batch.unlabeled is not None and batch.labeled.label is not None
    student_view = np.concatenate([s.views[0].flatten(1).numpy() for s in (batch.labeled, batch.unlabeled)])
    teacher_view = np.concatenate([s.views[1].flatten(1).numpy() for s in (batch.labeled, batch.unlabeled)])
    teacher = method.teacher.network.head
    target = teacher_view @ teacher.weight.detach().numpy().T + teacher.bias.detach().numpy()
    first = student_view @ weights[0].T + weights[1]
    second = student_view @ weights[2].T + weights[3] if len(weights) > 2 else first

    supervised = reference.cross_entropy(first[:X], batch.labeled.label.numpy())
    if cfg.class_loss_divisor == "batch":
        supervised *= X / (X + U)
    rows = range(X + U) if cfg.consistency_on == "all" else range(X, X + U)
    cost = {"mse": reference.softmax_mse, "kl": reference.softmax_kl, "logit-mse": reference.logit_mse}[cfg.consistency]
    consistency = sum(cost(second[i], target[i]) for i in rows) / len(rows)
    share = t.step / (cfg.rampup * t.total)
    ramp = min(share, 1.0) if cfg.ramp == "linear" else math.exp(-5 * (1 - min(share, 1.0)) ** 2)
    loss = supervised + cfg.consistency_weight * ramp * consistency
    if cfg.logit_distance_weight is not None:
        tie = sum(reference.logit_distance(a, b) for a, b in zip(first, second, strict=True)) / (X + U)
        loss += cfg.logit_distance_weight * tie
    if cfg.sntg_weight is not None:
        label = [*batch.labeled.label.numpy(), *target[X:].argmax(1)]
        neighbors = sntg.neighbor_loss(student_view, label, order, cfg.sntg_margin, cfg.sntg_distance)
        loss += cfg.sntg_weight * cfg.consistency_weight * ramp * neighbors
    return float(loss)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"consistency": "kl", "consistency_weight": 3.0},
        {"consistency": "logit-mse", "consistency_weight": 1.0},
        {"consistency_on": "unlabeled", "ramp": "sigmoid"},
        {"class_loss_divisor": "batch", "consistency_weight": 100.0},
        {"logit_distance_weight": 0.01, "consistency_on": "unlabeled"},
        {"sntg_weight": 0.4, "consistency_on": "unlabeled"},
        {"sntg_weight": 3.0, "sntg_margin": 5.0, "sntg_distance": "sum"},
        {"logit_distance_weight": 0.5, "class_loss_divisor": "batch", "ramp": "sigmoid", "consistency": "kl"},
    ],
)
@pytest.mark.parametrize("step", [0, 3, 9])
def test_loss_and_gradient_are_those_of_the_formula(settings: dict[str, object], step: int) -> None:
    method, batch = build(**settings)
    t = Progress(step, 10)
    torch.manual_seed(5)
    order = torch.rand(X + U).argsort().tolist()
    torch.manual_seed(5)
    out = method(batch, t)
    out.loss.backward()
    parameters = [p for name, p in method.named_parameters() if not name.startswith("teacher")]
    values = [p.detach().numpy().copy() for p in parameters]
    assert float(out.loss.detach()) == pytest.approx(
        naive_loss(method, batch, t, values, order), rel=1e-6
    )  # losses are float32 sums
    for number, parameter in enumerate(parameters):

        def loss_of(value: np.ndarray, number: int = number) -> float:
            return naive_loss(method, batch, t, [*values[:number], value, *values[number + 1 :]], order)

        expected = reference.gradient(loss_of, values[number])
        assert parameter.grad is not None
        np.testing.assert_allclose(parameter.grad.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_feeding_the_teacher_its_own_student_gives_no_consistency_cost() -> None:
    method, batch = build()
    method.teacher.network.load_state_dict(method.student.state_dict())
    for samples in (batch.labeled, batch.unlabeled):
        assert samples is not None
        samples.views = (samples.views[0], samples.views[0])
    assert float(method(batch, Progress(9, 10)).log["consistency"]) == 0.0


def test_the_teacher_is_in_the_mode_of_the_settings_whenever_the_method_trains() -> None:
    for mode, buffers in (("train", "own"), ("train", "copy"), ("eval", "copy")):
        method, _ = build(teacher_mode=mode, ema_buffers=buffers)
        method.eval()
        assert not method.teacher.network.training
        method.train()
        assert method.teacher.network.training == (mode == "train")
        assert method.student.training


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"consistency_weight": -1.0}, "method.consistency_weight must be at least 0"),
        ({"rampup": 1.5}, r"method.rampup must be in \[0, 1\]"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
        ({"logit_distance_weight": 0.0}, "method.logit_distance_weight must be above 0"),
        ({"sntg_weight": 0.0}, "method.sntg_weight must be above 0"),
        ({"teacher_mode": "eval"}, "method.ema_buffers must be copy with teacher_mode = eval"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MeanTeacher.Config(**settings)  # type: ignore[arg-type]


def test_the_defaults_are_those_of_the_baseline_in_fixmatchs_code() -> None:
    cfg = MeanTeacher.Config()
    assert (cfg.consistency, cfg.consistency_weight, cfg.ramp, cfg.rampup) == ("mse", 50.0, "linear", 0.4)
    assert (cfg.ema_decay, cfg.decay, cfg.class_loss_divisor) == (None, 0.999, "labeled")
