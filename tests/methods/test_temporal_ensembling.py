"""Temporal Ensembling's loss, gradient and memory against naive float64 versions written from the formula."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reference import consistency as reference
from reference.losses import gradient
from tutelage.core.batch import Batch, Progress, Samples
from tutelage.core.errors import ConfigError
from tutelage.methods.base import Problem
from tutelage.methods.temporal_ensembling import TemporalEnsembling
from tutelage.tasks.classification import Classification

pytestmark = pytest.mark.usefixtures("by_flags")

K, PIXELS, X, U, N = 3, 4, 2, 3, 10
PROBLEM = Problem(
    num_classes=K,
    train_rows=N,
    labeled_rows=4,
    unlabeled_rows=N,
    labeled_batch=X,
    unlabeled_batch=U,
    labeled_counts=(2, 1, 1),
)


class Linear(nn.Module):
    """A network whose features are the pixels, scaled: its logits are a matrix product of both."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.head = nn.Parameter(torch.ones(PIXELS)), nn.Linear(PIXELS, K)

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1) * self.scale

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


def build(**settings: Any) -> TemporalEnsembling:
    torch.manual_seed(0)
    cfg = TemporalEnsembling.Config(**settings)
    return TemporalEnsembling(Linear(), Classification("abc"), PROBLEM, cfg).double()


def batch_of(labeled: list[int], unlabeled: list[int], seed: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(seed)

    def stream(rows: list[int], label: Tensor | None) -> Samples:
        image = torch.randn(len(rows), 1, 2, 2, dtype=torch.float64, generator=draw)
        return Samples((image,), torch.tensor(rows), label)

    return Batch(stream(labeled, torch.tensor(labeled) % K), stream(unlabeled, None))


def probs_of(method: TemporalEnsembling, batch: Batch) -> np.ndarray:
    assert batch.labeled is not None and batch.unlabeled is not None
    with torch.no_grad():
        return method.student(torch.cat([batch.labeled.views[0], batch.unlabeled.views[0]])).softmax(1).numpy()


def visit(method: TemporalEnsembling, batch: Batch) -> None:
    method.remember(method(batch, Progress(5, 10)))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ramp": "linear", "rampup": 1.0, "consistency_weight": 100.0},
        {"class_loss_divisor": "batch", "ensemble_decay": 0.9},
        {"sntg_weight": 0.4},
        {"sntg_weight": 3.0, "sntg_margin": 4.0, "sntg_distance": "sum"},
    ],
)
@pytest.mark.parametrize("step", [0, 3, 9])
def test_loss_and_gradient_are_those_of_the_formula(settings: dict[str, Any], step: int) -> None:
    method, batch, t = build(**settings), batch_of([1, 5], [2, 1, 8], seed=9), Progress(step, 10)
    cfg, index = method.cfg, [1, 5, 2, 1, 8]
    for seed, rows in enumerate(([1, 2, 3], [4, 1, 7], [2, 1, 6])):  # 5 and 8 are never visited
        visit(method, batch_of([0, 9], rows, seed))
    visits = {1: 3, 2: 2}
    ensemble = method.ensemble.numpy().copy()
    torch.manual_seed(5)
    order = torch.rand(X + U).argsort().tolist()
    torch.manual_seed(5)
    out = method(batch, t)
    out.loss.backward()
    assert batch.labeled is not None and batch.unlabeled is not None and batch.labeled.label is not None
    images = np.concatenate([s.views[0].flatten(1).numpy() for s in (batch.labeled, batch.unlabeled)])
    label = batch.labeled.label.numpy()
    parameters = list(method.student.parameters())
    values = [p.detach().numpy().copy() for p in parameters]

    def naive_loss(weights: list[np.ndarray]) -> float:
        features = images * weights[0]
        logits = features @ weights[1].T + weights[2]
        loss = reference.class_loss(logits, label, X if cfg.class_loss_divisor == "labeled" else X + U)
        weight = cfg.consistency_weight * reference.ramp(cfg.ramp, t.step / (cfg.rampup * t.total))
        taken_for = [*label, -1, -1, -1]
        for place, row in enumerate(index):
            if row in visits:
                target = ensemble[row] / (1 - cfg.ensemble_decay ** visits[row])
                assert target.sum() == pytest.approx(1.0)
                loss += weight * reference.squared_error(reference.softmax(logits[place]), target) / (X + U)
                if place >= X:
                    taken_for[place] = int(np.argmax(target))
        if cfg.sntg_weight is not None:
            neighbors = reference.neighbor_loss(features, taken_for, order, cfg.sntg_margin, cfg.sntg_distance)
            loss += cfg.sntg_weight * weight * neighbors
        return float(loss)

    assert float(out.loss.detach()) == pytest.approx(naive_loss(values), rel=1e-6)
    for number, parameter in enumerate(parameters):

        def loss_of(value: np.ndarray, number: int = number) -> float:
            return naive_loss([*values[:number], value, *values[number + 1 :]])

        assert parameter.grad is not None
        expected = gradient(loss_of, values[number])
        np.testing.assert_allclose(parameter.grad.numpy(), expected, rtol=1e-5, atol=2e-6)  # the costs are float32


def test_with_one_visit_an_epoch_the_targets_are_those_of_the_epochwise_original() -> None:
    method, epochs, rows = build(), 5, 4
    probs, targets = np.zeros((epochs, rows, K)), np.zeros((epochs, rows, K))
    for epoch in range(epochs):
        with torch.no_grad():
            method.student.head.weight.add_(0.3)  # as if it had learned
            method.student.head.weight.mul_(-1.2)
        for labeled, unlabeled in (([0], [1]), ([2], [3])):
            batch = batch_of(labeled, unlabeled, seed=10 * epoch + labeled[0])
            here = [*labeled, *unlabeled]
            decay, visits = method.cfg.ensemble_decay, method.visits[here].numpy()
            probs[epoch, here] = probs_of(method, batch)
            targets[epoch, here] = method.ensemble[here].numpy() / np.maximum(1 - decay**visits, 1e-9)[:, None]
            visit(method, batch)
    expected = reference.epochwise_targets(probs, method.cfg.ensemble_decay)
    assert np.abs(expected[1:]).min() > 0
    np.testing.assert_allclose(targets, expected, rtol=1e-5)


def test_a_row_that_was_never_visited_costs_nothing_and_others_do() -> None:
    method, batch = build(), batch_of([0, 1], [2, 3, 4])
    assert float(method(batch, Progress(5, 10)).log["consistency"]) == 0.0
    visit(method, batch_of([8, 9], [7, 2, 6], seed=1))
    assert float(method(batch, Progress(5, 10)).log["consistency"]) > 0.0


def test_a_row_in_both_streams_has_one_visit_with_the_mean_of_its_predictions() -> None:
    method, batch = build(), batch_of([4, 1], [4, 4, 2])
    probs = probs_of(method, batch)
    visit(method, batch)
    assert method.visits.tolist() == [0, 1, 1, 0, 1, 0, 0, 0, 0, 0]
    decay = method.cfg.ensemble_decay
    np.testing.assert_allclose(method.ensemble[4].numpy(), (1 - decay) * probs[[0, 2, 3]].mean(0), rtol=1e-6)
    np.testing.assert_allclose(method.ensemble[2].numpy(), (1 - decay) * probs[4], rtol=1e-6)
    assert float(method.ensemble[[0, 3, 5, 6, 7, 8, 9]].abs().sum()) == 0.0


def test_the_target_of_a_step_is_from_before_it() -> None:
    method, batch = build(), batch_of([0, 1], [2, 3, 4])
    visit(method, batch)
    out = method(batch, Progress(5, 10))
    assert float(out.log["consistency"]) == pytest.approx(0.0, abs=1e-12)  # the same prediction as at the first visit
    method.remember(out)
    assert method.visits[:5].tolist() == [2] * 5


def test_data_without_stable_rows_is_refused() -> None:
    unknown = dataclasses.replace(PROBLEM, train_rows=0)
    with pytest.raises(ConfigError, match="needs data of a known number of rows"):
        TemporalEnsembling(Linear(), Classification("abc"), unknown, TemporalEnsembling.Config())


def test_predictions_that_no_device_would_hold_are_refused() -> None:
    large = dataclasses.replace(PROBLEM, train_rows=14_000_000, num_classes=1000)
    with pytest.raises(ConfigError, match=r"14000000 rows x 1000 classes, 56\.0 GB .*use --method mean-teacher"):
        TemporalEnsembling(Linear(), Classification("abc"), large, TemporalEnsembling.Config())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"consistency_weight": -1.0}, "method.consistency_weight must be at least 0"),
        ({"ensemble_decay": 1.0}, r"method.ensemble_decay must be in \[0, 1\)"),
        ({"rampup": 1.5}, r"method.rampup must be in \[0, 1\]"),
        ({"sntg_weight": -1.0}, "method.sntg_weight must be above 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TemporalEnsembling.Config(**settings)
