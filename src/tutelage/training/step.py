"""The optimizer step, skipped if anything before it was NaN or infinite."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from tutelage.core.batch import StepOutput
from tutelage.training.health import Health
from tutelage.training.state import Training


def optimizer_step(training: Training, step: int, out: StepOutput, health: Health) -> Tensor:
    """Clip the gradients and step; returns whether the step was taken, as a 0-dim bool on the device.

    The decision stays on the device, so that nothing waits for it: PyTorch's fused optimizers read it from `found_inf`.
    """
    optimizer, scaler = training.optimizer, training.scaler
    scaler.unscale_(optimizer)
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    norm = get_total_norm([p.grad for p in parameters])
    if training.schedule.clip_norm is not None:
        clip_grads_with_norm_(parameters, training.schedule.clip_norm, norm)
    taken = _observe(training, step, out, norm, health)
    # Not `scaler.step(optimizer)`: that skips this step's overflow only, and not the steps after a fault.
    optimizer.found_inf = (~taken).float()  # type: ignore[attr-defined]
    optimizer.step()
    scaler.update()  # does nothing without fp16
    return taken


def _observe(training: Training, step: int, out: StepOutput, norm: Tensor, health: Health) -> Tensor:
    """Look at the values of this step, and decide whether to take it (0-dim bool)."""
    logged = {name: value for name, value in out.log.items() if isinstance(value, Tensor)}
    rates = sum(float(group["lr"]) for group in training.optimizer.param_groups)
    values = {"loss": out.loss, **logged, "learning rate": torch.full((), rates, device=training.device)}
    if not training.scaler.is_enabled():
        return health.observe(step, values | {"gradient": norm})
    taken = health.observe(step, values) & torch.isfinite(norm)  # in fp16 an overflow is common: it costs one step
    health.count(taken)
    return taken
