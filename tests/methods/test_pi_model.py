"""Pi-model's loss and gradient against a naive float64 version written from the formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reference import consistency as reference
from reference.losses import gradient
from support.linear import problem
from tutelage.core.batch import Batch, Progress, Samples
from tutelage.core.errors import ConfigError
from tutelage.methods.pi_model import PiModel
from tutelage.tasks.classification import Classification

K, PIXELS, X, U = 3, 4, 2, 3
PROBLEM = problem(X, U)


class TwoLayers(nn.Module):
    """A network whose features are a matrix product, so that a loss of features has a gradient too."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.head = nn.Linear(PIXELS, 2), nn.Linear(2, K)

    def features(self, images: Tensor) -> Tensor:
        return self.trunk(images.flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


def build(**settings: object) -> tuple[PiModel, Batch]:
    torch.manual_seed(0)
    method = PiModel(TwoLayers(), Classification("abc"), PROBLEM, PiModel.Config(**settings)).double()

    def views(rows: int) -> tuple[Tensor, ...]:
        return tuple(torch.randn(rows, 1, 2, 2, dtype=torch.float64) for _ in range(2))

    labeled = Samples(views(X), torch.arange(X), torch.tensor([0, 2]))
    return method, Batch(labeled, Samples(views(U), torch.arange(U)))


def naive_loss(
    cfg: PiModel.Config, batch: Batch, t: Progress, order: list[int], weights: list[np.ndarray], target: np.ndarray
) -> float:
    """The loss for the given parameters of view 1, and logits of view 2 that may follow from others."""
    assert batch.labeled is not None and batch.unlabeled is not None and batch.labeled.label is not None
    features = logits_of(batch, 0, weights)[0]
    logits = logits_of(batch, 0, weights)[1]
    label = batch.labeled.label.numpy()
    loss = reference.class_loss(logits, label, X if cfg.class_loss_divisor == "labeled" else X + U)
    rows = range(X + U) if cfg.consistency_on == "all" else range(X, X + U)
    cost = sum(reference.squared_error(reference.softmax(logits[i]), reference.softmax(target[i])) for i in rows) / len(
        rows
    )
    weight = cfg.consistency_weight * reference.ramp(cfg.ramp, t.step / (cfg.rampup * t.total))
    loss += weight * cost
    if cfg.sntg_weight is not None:
        taken_for = [*label, *(int(np.argmax(target[i])) for i in range(X, X + U))]
        neighbors = reference.neighbor_loss(features, taken_for, order, cfg.sntg_margin, cfg.sntg_distance)
        loss += cfg.sntg_weight * weight * neighbors
    return float(loss)


def logits_of(batch: Batch, view: int, weights: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Features and logits of all rows."""
    assert batch.labeled is not None and batch.unlabeled is not None
    images = np.concatenate([s.views[view].flatten(1).numpy() for s in (batch.labeled, batch.unlabeled)])
    features = images @ weights[0].T + weights[1]
    return features, features @ weights[2].T + weights[3]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gradient": "one"},
        {"consistency_on": "unlabeled", "ramp": "sigmoid"},
        {"gradient": "one", "consistency_on": "unlabeled", "consistency_weight": 50.0},
        {"class_loss_divisor": "batch", "consistency_weight": 100.0},
        {"sntg_weight": 0.4},
        {"sntg_weight": 2.0, "sntg_margin": 3.0, "sntg_distance": "sum", "consistency_on": "unlabeled"},
    ],
)
@pytest.mark.parametrize("step", [0, 3, 9])
def test_loss_and_gradient_are_those_of_the_formula(settings: dict[str, object], step: int) -> None:
    method, batch = build(**settings)
    cfg, t = method.cfg, Progress(step, 10)
    torch.manual_seed(5)
    order = torch.rand(X + U).argsort().tolist()  # what the method draws
    torch.manual_seed(5)
    out = method(batch, t)
    out.loss.backward()
    parameters = list(method.student.parameters())
    values = [p.detach().numpy().copy() for p in parameters]
    fixed = logits_of(batch, 1, values)[1]
    assert float(out.loss.detach()) == pytest.approx(naive_loss(cfg, batch, t, order, values, fixed), rel=1e-6)
    for number, parameter in enumerate(parameters):

        def loss_of(value: np.ndarray, number: int = number) -> float:
            changed = [*values[:number], value, *values[number + 1 :]]
            target = logits_of(batch, 1, changed)[1] if cfg.gradient == "both" else fixed
            return naive_loss(cfg, batch, t, order, changed, target)

        assert parameter.grad is not None
        np.testing.assert_allclose(
            parameter.grad.numpy(), gradient(loss_of, values[number]), rtol=1e-5, atol=2e-6
        )  # the costs are float32


def test_one_view_twice_costs_nothing() -> None:
    method, batch = build()
    for samples in (batch.labeled, batch.unlabeled):
        assert samples is not None
        samples.views = (samples.views[0], samples.views[0])
    assert float(method(batch, Progress(9, 10)).log["consistency"]) == 0.0


def test_the_gradient_into_both_passes_is_the_sum_of_those_into_each() -> None:
    def pull(gradient: str, swap: bool) -> Tensor:
        method, batch = build(gradient=gradient, consistency_weight=1.0, rampup=0.0)
        assert batch.labeled is not None and batch.unlabeled is not None
        if swap:
            batch.unlabeled.views = batch.unlabeled.views[::-1]
            batch.labeled.views = batch.labeled.views[::-1]
        out = method(batch, Progress(0, 10))
        method.task.loss(method.student(batch.labeled.views[0]), batch.labeled.label).neg().backward()
        out.loss.backward()  # without the class loss
        assert method.student.trunk.weight.grad is not None
        return method.student.trunk.weight.grad

    torch.testing.assert_close(
        pull("both", swap=False), pull("one", swap=False) + pull("one", swap=True), rtol=1e-5, atol=1e-8
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"consistency_weight": -1.0}, "method.consistency_weight must be at least 0"),
        ({"rampup": 1.5}, r"method.rampup must be in \[0, 1\]"),
        ({"sntg_weight": 0.0}, "method.sntg_weight must be above 0"),
        ({"sntg_weight": 1.0, "sntg_margin": 0.0}, "method.sntg_margin must be above 0"),
        ({"sntg_margin": 2.0}, "do nothing without method.sntg_weight"),
        ({"sntg_distance": "sum"}, "do nothing without method.sntg_weight"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PiModel.Config(**settings)  # type: ignore[arg-type]
