from __future__ import annotations

import pytest
import torch
from torch import nn

from tutelage.config.settings import OptimizerConfig
from tutelage.training.checkpoint import optimizer_tensors
from tutelage.training.optimizer import build_optimizer, reset_state


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


def test_a_reset_state_is_that_of_a_fresh_optimizer() -> None:
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
