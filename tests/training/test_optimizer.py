from __future__ import annotations

import pytest
import torch
from torch import nn

from tutelage.config.settings import OptimizerConfig
from tutelage.training.checkpoint import optimizer_tensors
from tutelage.training.optimizer import build_optimizer, reset_state
from tutelage.training.schedule import lr_factor, momentum_at, set_schedule


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def test_weight_decay_is_on_kernels_alone_unless_asked() -> None:
    kernels, others = build_optimizer(network(), OptimizerConfig(weight_decay=0.1)).param_groups
    assert kernels["weight_decay"] == 0.1
    assert others["weight_decay"] == 0.0
    assert all(p.ndim > 1 for p in kernels["params"])
    assert all(p.ndim == 1 for p in others["params"])
    assert len(build_optimizer(network(), OptimizerConfig(decay_all=True)).param_groups) == 1


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_a_step_that_is_not_finite_changes_nothing(name: str) -> None:
    torch.manual_seed(0)
    net = network()
    optimizer = build_optimizer(net, OptimizerConfig(name=name, weight_decay=0.1))  # type: ignore[arg-type]
    for finite in (True, False, True):
        before = [p.detach().clone() for p in net.parameters()]
        for p in net.parameters():
            p.grad = torch.full_like(p, 1.0 if finite else float("nan"))
        optimizer.found_inf = torch.tensor(0.0 if finite else 1.0)  # type: ignore[attr-defined]
        optimizer.step()
        changed = [bool((a != b).any()) for a, b in zip(before, net.parameters(), strict=True)]
        assert all(changed) if finite else not any(changed)
        assert all(torch.isfinite(p).all() for p in net.parameters())


@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd_takes_the_steps_of_the_plain_form_also_after_steps_that_changed_nothing(nesterov: bool) -> None:
    torch.manual_seed(0)
    ours, plain = network(), network()
    plain.load_state_dict(ours.state_dict())
    optimizer = build_optimizer(ours, OptimizerConfig(nesterov=nesterov, weight_decay=0.1, decay_all=True))
    reference = torch.optim.SGD(plain.parameters(), lr=0.03, momentum=0.9, nesterov=nesterov, weight_decay=0.1)
    for finite in (False, False, True, True, False, True):
        for p, q in zip(ours.parameters(), plain.parameters(), strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        optimizer.found_inf = torch.tensor(0.0 if finite else 1.0)  # type: ignore[attr-defined]
        optimizer.step()
        if finite:
            reference.step()
        for p, q in zip(ours.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(p, q)


def test_the_momentum_is_zero_before_the_first_step_and_after_one_that_changed_nothing() -> None:
    net = network()
    memory = [torch.full((1000,), float("nan")) for _ in range(100)]  # for the allocator to hand out again
    optimizer = build_optimizer(net, OptimizerConfig())
    del memory
    for p in net.parameters():
        p.grad = torch.full_like(p, float("nan"))
    optimizer.found_inf = torch.tensor(1.0)  # type: ignore[attr-defined]
    for _ in range(2):
        buffers = [optimizer.state[p]["momentum_buffer"] for p in net.parameters()]
        assert all(bool((buffer == 0).all()) for buffer in buffers)
        optimizer.step()


def test_a_forgotten_state_is_that_of_a_fresh_optimizer() -> None:
    for cfg in (OptimizerConfig(), OptimizerConfig(name="adam"), OptimizerConfig(momentum=0.0)):
        optimizer = build_optimizer(network(), cfg)
        fresh = {name: value.clone() for name, value in optimizer_tensors(optimizer).items()}
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.ones_like(p)
        optimizer.step()
        reset_state(optimizer, cfg)
        state = optimizer_tensors(optimizer)
        assert state.keys() == fresh.keys()
        assert all(torch.equal(state[name], fresh[name]) for name in fresh)


@pytest.mark.parametrize(
    ("cfg", "expected"),
    [
        (OptimizerConfig(schedule="constant"), {0: 1.0, 99: 1.0}),
        (OptimizerConfig(schedule="cosine-7-16"), {0: 1.0, 100: 0.19509}),
        (OptimizerConfig(schedule="cosine"), {0: 1.0, 50: 0.5, 100: 0.0}),
        (OptimizerConfig(schedule="cosine", cosine_length=350 / 300), {100: 0.04952}),
        (OptimizerConfig(schedule="step"), {79: 1.0, 80: 0.2}),
        (
            OptimizerConfig(schedule="step", step_at=(0.5, 0.75), step_factor=0.1),
            {0: 1.0, 49: 1.0, 50: 0.1, 74: 0.1, 75: 0.01, 99: 0.01},
        ),
        (OptimizerConfig(schedule="ramps", warmup=0.5, rampdown=0.2), {0: 0.006738, 50: 1.0, 80: 1.0, 100: 3.727e-6}),
        (OptimizerConfig(schedule="constant", warmup=0.1), {0: 0.1, 4: 0.5, 9: 1.0, 50: 1.0}),
        (OptimizerConfig(warmup=0.2), {0: 0.05, 19: 0.96610, 20: 0.96246, 100: 0.19509}),  # the cosine runs from 0 on
        (OptimizerConfig(warmup=0.2, warmup_form="before"), {0: 0.0, 10: 0.5, 20: 1.0, 60: 0.77301, 100: 0.19509}),
        (
            OptimizerConfig(schedule="cosine", warmup=0.2, warmup_form="before"),
            {0: 0.0, 10: 0.5, 20: 1.0, 60: 0.5, 100: 0.0},
        ),
        (
            OptimizerConfig(schedule="cosine", cosine_length=1.2, warmup=0.2, warmup_form="before"),
            {20: 1.0, 70: 0.5, 100: 0.095492},
        ),
        (
            OptimizerConfig(schedule="step", step_at=(0.5,), step_factor=0.1, warmup=0.2, warmup_form="before"),
            {0: 0.0, 5: 0.25, 20: 1.0, 49: 1.0, 50: 0.1},
        ),
        (OptimizerConfig(schedule="constant", warmup=0.1, warmup_form="before"), {0: 0.0, 5: 0.5, 10: 1.0, 100: 1.0}),
    ],
)
def test_the_learning_rate_follows_its_formula(cfg: OptimizerConfig, expected: dict[int, float]) -> None:
    for step, factor in expected.items():
        assert lr_factor(step, 100, cfg) == pytest.approx(factor, rel=1e-3)


def test_the_momentum_follows_the_ramp_down() -> None:
    cfg = OptimizerConfig(name="adam", schedule="ramps", rampdown=0.2, momentum=0.9, momentum_end=0.5)
    assert momentum_at(0, 100, cfg) == pytest.approx(0.9)
    assert momentum_at(100, 100, cfg) == pytest.approx(0.5, abs=1e-5)
    optimizer = build_optimizer(network(), cfg)
    set_schedule(optimizer, 100, 100, cfg)
    assert optimizer.param_groups[0]["betas"] == pytest.approx((0.5, 0.999), abs=1e-5)
