"""URPC: the levels of one decoder must agree, where they can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, SemiSupervisedBatch, StepOutput
from tutelage.core.ema import EMATeacher
from tutelage.core.errors import ConfigError
from tutelage.core.precision import at_least_float32
from tutelage.core.schedules import sigmoid_rampup
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EMAConfig
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


class URPC(Method[SemiSupervisedBatch]):
    """Uncertainty rectified pyramid consistency: Luo et al. 2021, arXiv:2012.07042.

    loss = mean over levels s of L(y, p_s(x)) + w r(t) mean over s of (mean(e^-v d) / mean(e^-v) + mean(v))
    where d = (q - p_s(u))^2, v = KL(q || p_s(u)), and q is the mean of p_s(u) over the levels
    with L the task's loss, p_s the softmax of a level of the decoder at full size, r a sigmoid ramp-up, and the means
    over voxels (and classes, of d). The gradient goes into q too.

    The network needs deep supervision. The moving average of its weights is what is evaluated, by its finest level.
    """

    name, evaluated, tasks, deep_supervision = "urpc", "teacher", ("segmentation",), True
    labeled_views, unlabeled_views = ("weak",), ("weak",)

    @dataclass(frozen=True, kw_only=True)
    class Config(EMAConfig):
        """Settings of `urpc`. Weight and ramp-up are those of its code."""

        consistency_weight: Annotated[float, "w, after the ramp-up"] = 0.1
        rampup: Annotated[float, "length of the ramp-up r, as a share of training"] = 1.0
        slowest: ClassVar[float] = 0.99

        def __post_init__(self) -> None:
            super().__post_init__()
            require(self.consistency_weight >= 0, "method.consistency_weight", "at least 0", self.consistency_weight)
            require(0.0 <= self.rampup <= 1.0, "method.rampup", "in [0, 1]", self.rampup)

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        if not student.deep_supervision:
            raise ConfigError("urpc compares levels of a network: set network.deep_supervision, of vnet for example")
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers="copy")

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u = batch.labeled, batch.unlabeled
        maps = self.student.maps(torch.cat([x.views[0], u.views[0]]))  # one pass: batch norm sees all rows
        supervised = torch.stack([self.task.loss(logits[: len(x)], x.label) for logits in maps]).mean()
        consistency = pyramid_consistency([at_least_float32(logits[len(x) :]) for logits in maps])
        weight = self.cfg.consistency_weight * sigmoid_rampup(t.step, self.cfg.rampup * t.total)
        unlabeled = weight * consistency
        log: Log = {
            "supervised": supervised.detach(),
            "consistency": consistency.detach(),
            "consistency_weight": weight,
        }
        return StepOutput(supervised + unlabeled, log, unlabeled_loss=unlabeled.detach())


def pyramid_consistency(levels: list[Tensor]) -> Tensor:
    """Scalar: how far the softmaxes of `levels`, each (B, K, *S) logits, are from their mean, URPC's way."""
    probs = torch.stack([logits.softmax(1) for logits in levels])  # (levels, B, K, *S)
    log_probs = torch.stack([logits.log_softmax(1) for logits in levels])
    mean = probs.mean(0)
    divergence = (torch.xlogy(mean, mean) - mean * log_probs).sum(2)  # (levels, B, *S), KL(mean || level)
    trust = (-divergence).exp()
    over = tuple(range(1, trust.ndim))
    distance = (probs - mean).square().mean(2)
    return ((distance * trust).mean(over) / (trust.mean(over) + 1e-8) + divergence.mean(over)).mean()
