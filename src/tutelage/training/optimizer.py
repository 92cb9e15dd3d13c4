"""Builds the optimizer of a run."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tutelage.config.settings import OptimizerConfig
from tutelage.training.backbone import Backbone


def build_optimizer(model: nn.Module, cfg: OptimizerConfig, backbone: Backbone | None = None) -> torch.optim.Optimizer:
    """The optimizer of all parameters that get gradients.

    Weight decay applies to kernels only, unless `decay_all` is set. The fused implementations are used because they
    accept `found_inf`, a flag on the device that turns a step into a no-op.

    Args:
        backbone: gets a learning rate of its own.
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
        reset_state(sgd, cfg)
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


def reset_state(optimizer: torch.optim.Optimizer, cfg: OptimizerConfig) -> None:
    """Put the optimizer's state back to what it is before the first step.

    SGD's momentum starts as explicit zeros, which gives the same steps as starting without any. Left to itself, the
    fused SGD allocates uninitialized memory in its first step, and keeps it if `found_inf` makes that step a no-op.
    """
    optimizer.state.clear()
    if cfg.name == "sgd" and (cfg.momentum > 0 or cfg.momentum_end):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
