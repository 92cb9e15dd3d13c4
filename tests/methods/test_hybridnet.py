"""HybridNet's loss and gradient against a naive float64 version written from the formula."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reference import consistency, losses
from reference import hybridnet as reference
from support.linear import problem
from tutelage.core.batch import Batch, Progress, Samples
from tutelage.core.errors import ConfigError
from tutelage.core.losses import balanced_reconstruction
from tutelage.methods.hybridnet import HybridNet
from tutelage.networks.staged import StagedNetwork
from tutelage.tasks.classification import Classification

K, X, U = 3, 2, 3
PROBLEM = problem(X, U)


class TwoMaps(StagedNetwork):
    channels = (1, 2, 3)

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 2, 2), nn.Conv2d(2, 3, 2, stride=2)
        self.head = nn.Linear(3, K)

    def stages(self, images: Tensor) -> list[Tensor]:
        first = self.first(images)
        return [first, self.second(first.sigmoid())]


def build(**settings: Any) -> tuple[HybridNet, Batch]:
    torch.manual_seed(0)
    method = HybridNet(TwoMaps(), Classification("abc"), PROBLEM, HybridNet.Config(**settings)).double()
    for p in method.teacher.network.parameters():
        p.add_(torch.randn_like(p))
    method.decoder.image[1].bias.data.fill_(0.3)

    def views(rows: int) -> tuple[Tensor, ...]:
        return tuple(torch.randn(rows, 1, 5, 5, dtype=torch.float64) for _ in range(2))

    labeled = Samples(views(X), torch.arange(X), torch.tensor([0, 2]))
    return method, Batch(labeled, Samples(views(U), torch.arange(U)))


@torch.no_grad()
def outputs(method: HybridNet, batch: Batch) -> SimpleNamespace:
    """What the networks give for the batch, as arrays."""
    assert batch.labeled is not None and batch.unlabeled is not None
    images = torch.cat([batch.labeled.views[0], batch.unlabeled.views[0]])
    maps, other_maps = method.student.stages(images), method.other_encoder.stages(images)
    first, first_maps = method.decoder(maps, images)
    second, second_maps = method.other_decoder(other_maps, images)
    logits = method.student(images)
    head = method.consistency_head
    return SimpleNamespace(
        images=images.numpy(),
        logits=logits.numpy(),
        logits_second=(logits if head is None else head(maps[-1].mean((2, 3)))).numpy(),
        target=method.teacher(torch.cat([batch.labeled.views[1], batch.unlabeled.views[1]])).numpy(),
        first=first.numpy(),
        second=second.numpy(),
        decoded=[m.numpy() for m in (*first_maps, *second_maps)],
        encoded=[m.numpy() for m in (maps[0], other_maps[0])],
    )


def naive_loss(cfg: HybridNet.Config, t: Progress, now: SimpleNamespace, fixed: SimpleNamespace) -> float:
    loss = consistency.class_loss(now.logits, [0, 2], X if cfg.class_loss_divisor == "labeled" else X + U)
    agreement = sum(losses.softmax_mse(z, q) for z, q in zip(now.logits_second, fixed.target, strict=True)) / (X + U)
    loss += cfg.consistency_weight * consistency.ramp(cfg.ramp, t.step / (cfg.rampup * t.total)) * agreement
    if cfg.logit_distance_weight is not None:
        tie = sum(losses.logit_distance(a, b) for a, b in zip(now.logits, now.logits_second, strict=True)) / (X + U)
        loss += cfg.logit_distance_weight * tie
    costs = reference.reconstruction(now.first, now.second, now.images, fixed.first, fixed.second, cfg.balancing)
    share = reference.share(t.step, t.total, cfg.reconstruction_rampup, cfg.rampdown)
    loss += cfg.reconstruction_weight * share * sum(costs) / (X + U)
    if cfg.intermediate_weight is not None:
        share = reference.share(t.step, t.total, cfg.intermediate_rampup, cfg.rampdown)
        loss += cfg.intermediate_weight * share * reference.intermediate(now.decoded, fixed.encoded)
    return float(loss)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"balancing": "batch", "intermediate_weight": None, "reconstruction_weight": 2.0, "rampdown": "sigmoid"},
        {"class_loss_divisor": "batch", "logit_distance_weight": 0.3, "ramp": "sigmoid", "reconstruction_rampup": 0.6},
        {"intermediate_weight": 3.0, "intermediate_rampup": 0.8, "reconstruction_weight": 0.0},
    ],
)
@pytest.mark.parametrize("step", [4, 9])
def test_loss_and_gradient_are_those_of_the_formula(settings: dict[str, Any], step: int) -> None:
    method, batch = build(**settings)
    cfg, t, fixed = method.cfg, Progress(step, 10), outputs(method, batch)
    out = method(batch, t)
    out.loss.backward()
    assert float(out.loss.detach()) == pytest.approx(naive_loss(cfg, t, fixed, fixed), rel=1e-6)
    for name, parameter in method.named_parameters():
        if name.startswith("teacher."):
            continue
        start = parameter.detach().numpy().copy()

        def loss_of(value: np.ndarray, parameter: nn.Parameter = parameter) -> float:
            parameter.data = torch.from_numpy(value)
            return naive_loss(cfg, t, outputs(method, batch), fixed)

        expected = losses.gradient(loss_of, start)
        parameter.data = torch.from_numpy(start)
        assert parameter.grad is not None
        np.testing.assert_allclose(parameter.grad.numpy(), expected, rtol=1e-5, atol=5e-6, err_msg=name)


def parts() -> tuple[Tensor, Tensor, Tensor]:
    """For an image of ones: the first part is further in row 0, the second in row 1; over both rows the second."""
    image = torch.ones(2, 1, 2, 2)
    first = torch.tensor([0.0, 0.9]).view(2, 1, 1, 1).expand(2, 1, 2, 2).clone().requires_grad_()
    second = torch.tensor([0.5, -1.0]).view(2, 1, 1, 1).expand(2, 1, 2, 2).clone().requires_grad_()
    return first, second, image


def test_the_part_that_is_further_from_its_image_alone_is_trained() -> None:
    first, second, image = parts()
    cost = balanced_reconstruction(first, second, image, per="sample")
    torch.testing.assert_close(cost, torch.tensor([0.25, 1.21]))
    cost.sum().backward()
    assert first.grad is not None and second.grad is not None
    assert first.grad[0].abs().min() > 0 and not first.grad[1].any()
    assert second.grad[1].abs().min() > 0 and not second.grad[0].any()


def test_per_batch_one_part_is_trained_for_all_images() -> None:
    first, second, image = parts()
    cost = balanced_reconstruction(first, second, image, per="batch")
    torch.testing.assert_close(cost, torch.tensor([0.25, 1.21]))
    cost.sum().backward()
    assert first.grad is not None and second.grad is not None
    assert not first.grad.any()
    assert second.grad.abs().min() > 0


def test_the_other_branch_begins_with_weights_of_its_own_and_has_no_head() -> None:
    method, _ = build()
    assert not torch.equal(method.other_encoder.first.weight, method.student.first.weight)
    assert not list(method.other_encoder.head.parameters())
    assert not torch.equal(method.decoder.image[1].weight, method.other_decoder.image[1].weight)


def test_a_network_without_maps_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"network\.name small, conv-large, wrn-\.\.\. or shake-shake"):
        HybridNet(nn.Linear(3, K), Classification("abc"), PROBLEM, HybridNet.Config())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"consistency_weight": -1.0}, "method.consistency_weight must be at least 0"),
        ({"reconstruction_weight": -1.0}, "method.reconstruction_weight must be at least 0"),
        ({"intermediate_weight": 0.0}, "method.intermediate_weight must be above 0"),
        ({"intermediate_weight": None, "intermediate_rampup": 0.5}, "does nothing without method.intermediate_weight"),
        ({"logit_distance_weight": 0.0}, "method.logit_distance_weight must be above 0"),
        ({"reconstruction_rampup": 1.5}, r"method.reconstruction_rampup must be in \[0, 1\]"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        HybridNet.Config(**settings)
