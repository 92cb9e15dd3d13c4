"""Learning rate and momentum as pure functions of the step."""

from __future__ import annotations

import torch

from tutelage.config.settings import OptimizerConfig
from tutelage.core.schedules import (
    half_cosine,
    linear_rampup,
    seven_sixteenths_cosine,
    sigmoid_rampdown,
    sigmoid_rampup,
)


def set_schedule(optimizer: torch.optim.Optimizer, step: int, total: int, cfg: OptimizerConfig) -> float:
    """Set the learning rate and momentum of `step`; returns the learning rate, without any factor of a backbone."""
    lr = cfg.lr * lr_factor(step, total, cfg)
    momentum = momentum_at(step, total, cfg)
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_factor", 1.0)
        if "betas" in group:
            group["betas"] = (momentum, cfg.beta2)
        else:
            group["momentum"] = momentum
    return lr


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
    """Momentum (Adam's beta1) at `step`; with `momentum_end` set, it follows the ramp-down to that value."""
    if cfg.momentum_end is None:
        return cfg.momentum
    share = sigmoid_rampdown(step, total, cfg.rampdown * total)
    return cfg.momentum_end + (cfg.momentum - cfg.momentum_end) * share
