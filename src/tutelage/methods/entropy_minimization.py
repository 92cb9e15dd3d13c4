"""Entropy minimization: be sure everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, SemiSupervisedBatch, StepOutput
from tutelage.core.ema import EMATeacher
from tutelage.core.precision import at_least_float32
from tutelage.core.schedules import sigmoid_rampup
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EMAConfig
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


class EntropyMinimization(Method[SemiSupervisedBatch]):
    """Entropy minimization: Grandvalet & Bengio 2004; for segmentation Vu et al. 2019, arXiv:1811.12833.

    loss = L(y, p(x)) + w r(t) mean over voxels of both streams of -sum_k p_k ln(p_k) / ln K
    with L the task's loss, K the number of classes, and r a sigmoid ramp-up.

    The moving average of the weights is what is evaluated, as in the other methods.
    """

    name, evaluated, tasks = "entropy-minimization", "teacher", ("segmentation",)
    labeled_views, unlabeled_views = ("weak",), ("weak",)

    @dataclass(frozen=True, kw_only=True)
    class Config(EMAConfig):
        """Settings of `entropy-minimization`. Weight and ramp-up are those of SSL4MIS."""

        entropy_weight: Annotated[float, "w, after the ramp-up"] = 0.1
        rampup: Annotated[float, "length of the ramp-up r, as a share of training"] = 1.0
        slowest: ClassVar[float] = 0.99

        def __post_init__(self) -> None:
            super().__post_init__()
            require(self.entropy_weight >= 0, "method.entropy_weight", "at least 0", self.entropy_weight)
            require(0.0 <= self.rampup <= 1.0, "method.rampup", "in [0, 1]", self.rampup)

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers="copy")

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u = batch.labeled, batch.unlabeled
        images = torch.cat([x.views[0], u.views[0]])  # one pass: batch norm sees all rows
        logits = at_least_float32(self.student(images))
        supervised = self.task.loss(logits[: len(x)], x.label)
        log_probs = logits.log_softmax(1)  # exact where SSL4MIS takes ln(p + 1e-6), whose gradient differs near 0 alone
        entropy = -(log_probs.exp() * log_probs).sum(1).mean() / math.log(logits.shape[1])
        weight = self.cfg.entropy_weight * sigmoid_rampup(t.step, self.cfg.rampup * t.total)
        unlabeled = weight * entropy
        log: Log = {"supervised": supervised.detach(), "entropy": entropy.detach(), "entropy_weight": weight}
        return StepOutput(supervised + unlabeled, log, unlabeled_loss=unlabeled.detach())
