"""The optimizer of a run, and its learning rate as a pure function of the step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tutelage.config.settings import OptimizerConfig
from tutelage.core.schedules import (
    half_cosine,
    linear_rampup,
    seven_sixteenths_cosine,
    sigmoid_rampdown,
    sigmoid_rampup,
)
from tutelage.training.backbone import Backbone


def build_optimizer(model: nn.Module, cfg: OptimizerConfig, backbone: Backbone | None = None) -> torch.optim.Optimizer:
    """The optimizer of all parameters that get gradients; weight decay on kernels alone unless the settings say so.

    The fused forms, since they take `found_inf`: a flag on the device that turns a step into nothing.

    Args:
        backbone: what has a learning rate of its own.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    apart = set() if backbone is None else {id(p) for p in backbone.parameters()}
    groups = _groups([p for p in trained if id(p) not in apart], cfg)
    if backbone is not None:
        slow = _groups([p for p in trained if id(p) in apart], cfg)
        groups += [group | {"lr_factor": backbone.lr_factor} for group in slow if group["params"]]
    if cfg.name == "sgd":
        nesterov = cfg.nesterov and cfg.momentum > 0
        sgd = torch.optim.SGD(groups, lr=cfg.lr, momentum=cfg.momentum, nesterov=nesterov, fused=True)
        forget(sgd, cfg)
        return sgd
    adam = torch.optim.AdamW if cfg.name == "adamw" else torch.optim.Adam
    return adam(groups, lr=cfg.lr, betas=(cfg.momentum, cfg.beta2), fused=True)


def _groups(trained: list[nn.Parameter], cfg: OptimizerConfig) -> list[dict[str, Any]]:
    kernels = [p for p in trained if p.ndim > 1 or cfg.decay_all]
    others = [p for p in trained if not (p.ndim > 1 or cfg.decay_all)]
    return [
        {"params": kernels, "weight_decay": cfg.weight_decay},
        *([{"params": others, "weight_decay": 0.0}] if others else []),
    ]


def forget(optimizer: torch.optim.Optimizer, cfg: OptimizerConfig) -> None:
    """Put the optimizer's state back to what it is before the first step.

    SGD's momentum starts as zeros, which gives the same steps as none: without them the fused form takes memory as it
    comes for its first step, and keeps that where `found_inf` turns the step into nothing.
    """
    optimizer.state.clear()
    if cfg.name == "sgd" and (cfg.momentum > 0 or cfg.momentum_end):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def lr_factor(step: int, total: int, cfg: OptimizerConfig) -> float:
    """The learning rate at `step` as a share of its peak."""
    if cfg.schedule == "ramps":
        rampdown = sigmoid_rampdown(step, total, cfg.rampdown * total)
        return sigmoid_rampup(step, cfg.warmup * total) * rampdown
    length = cfg.warmup * total
    before = cfg.warmup_form == "before"
    warmup = linear_rampup(step if before else step + 1, length)
    start = length if before else 0.0  # of the cosine, which is 1 until then
    if cfg.schedule == "cosine":
        return warmup * half_cosine(step - start, cfg.cosine_length * total - start)
    if cfg.schedule == "cosine-7-16":
        return warmup * seven_sixteenths_cosine(step - start, total - start)
    if cfg.schedule == "step":
        return warmup * cfg.step_factor ** sum(step >= share * total for share in cfg.step_at)
    return warmup


def momentum_at(step: int, total: int, cfg: OptimizerConfig) -> float:
    """Momentum (Adam's beta1) at `step`: it follows the ramp-down to `momentum_end` where that is set."""
    if cfg.momentum_end is None:
        return cfg.momentum
    share = sigmoid_rampdown(step, total, cfg.rampdown * total)
    return cfg.momentum_end + (cfg.momentum - cfg.momentum_end) * share


def set_schedule(optimizer: torch.optim.Optimizer, step: int, total: int, cfg: OptimizerConfig) -> float:
    """Set learning rate and momentum of `step`; gives the learning rate of all but a backbone with its own."""
    lr = cfg.lr * lr_factor(step, total, cfg)
    momentum = momentum_at(step, total, cfg)
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_factor", 1.0)
        if "betas" in group:
            group["betas"] = (momentum, cfg.beta2)
        else:
            group["momentum"] = momentum
    return lr


def gradient_norm(parameters: list[Tensor]) -> Tensor:
    """0-dim: the norm of all gradients, on their device."""
    return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
