"""UA-MT: Mean Teacher that asks for consistency only where the teacher is sure of itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, SemiSupervisedBatch, StepOutput
from tutelage.core.ema import EMATeacher
from tutelage.core.losses import softmax_mse
from tutelage.core.precision import at_least_float32
from tutelage.core.schedules import sigmoid_rampup, stairs
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import TeacherEMAConfig
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


class UAMT(Method[SemiSupervisedBatch]):
    """UA-MT: Yu et al. 2019, arXiv:1907.07034.

    loss = L(y, p(x)) + w r(t) sum of 1[U < H(t)] d(p_student(u), p_teacher(u + noise)) / sum of 1[U < H(t)]
    with L the task's loss, d the squared difference of the softmaxes averaged over classes, the sums over voxels, and
    U the entropy of the teacher's mean softmax over T further passes, each with its own noise and dropout. The
    threshold H rises from 3/4 of ln K to ln K, the largest entropy of K classes. Both networks run in training mode.

    The teacher's target is one noisy pass, not the mean of T. As in UA-MT's code the T passes go two at a time, so that
    the teacher's batch norm sees two copies of the rows together.
    """

    name, evaluated, tasks = "ua-mt", "teacher", ("segmentation",)
    labeled_views, unlabeled_views = ("weak",), ("weak",)
    teacher: EMATeacher

    @dataclass(frozen=True, kw_only=True)
    class Config(TeacherEMAConfig):
        """Settings of `ua-mt`. The defaults are those of its code."""

        consistency_weight: Annotated[float, "w, after the ramp-up"] = 0.1
        consistency_on: Annotated[
            Literal["unlabeled", "all"], "rows that have a consistency loss; all is the original's other script"
        ] = "unlabeled"
        rampup: Annotated[float, "length of the sigmoid ramp-up r, as a share of training"] = 1.0
        rampup_stairs: Annotated[
            int | None, "number of stairs in which r rises (40 means 150 of 6,000 steps each); none: a smooth rise"
        ] = 40
        passes: Annotated[int, "T, teacher passes that estimate uncertainty; an even number, since two run at once"] = 8
        teacher_noise: Annotated[
            float, "standard deviation of the noise on the teacher's images, clipped at twice that"
        ] = 0.1
        threshold_start: Annotated[float, "H at the start, as a share of ln K; it ends at 1"] = 0.75
        slowest: ClassVar[float] = 0.99

        def __post_init__(self) -> None:
            super().__post_init__()
            require(self.consistency_weight >= 0, "method.consistency_weight", "at least 0", self.consistency_weight)
            require(0.0 <= self.rampup <= 1.0, "method.rampup", "in [0, 1]", self.rampup)
            stairs = self.rampup_stairs
            require(stairs is None or stairs >= 1, "method.rampup_stairs", "at least 1, or none", stairs)
            require(self.passes >= 2 and self.passes % 2 == 0, "method.passes", "even and at least 2", self.passes)
            require(self.teacher_noise >= 0, "method.teacher_noise", "at least 0", self.teacher_noise)
            require(0.0 <= self.threshold_start <= 1.0, "method.threshold_start", "in [0, 1]", self.threshold_start)

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        decay, warmup, buffers = cfg.decay, cfg.ema_warmup, cfg.ema_buffers
        self.teacher = EMATeacher(student, decay, warmup=warmup, start_weight=0, buffers=buffers)

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u, cfg = batch.labeled, batch.unlabeled, self.cfg
        images = torch.cat([x.views[0], u.views[0]])
        logits = self.student(images)  # one pass: batch norm sees all rows
        first = 0 if cfg.consistency_on == "all" else len(x)
        target = at_least_float32(self.teacher(self._noisy(images[first:])))
        uncertainty = self._uncertainty(images[first:])
        mask = (uncertainty < self.threshold(t, logits.shape[1])).float()

        supervised = self.task.loss(logits[: len(x)], x.label)
        cost = softmax_mse(at_least_float32(logits[first:]), target)
        consistency = (cost * mask).sum() / mask.sum().clamp_min(1.0)
        weight = self.consistency_weight(t)
        unlabeled = weight * consistency
        log: Log = {
            "supervised": supervised.detach(),
            "consistency": consistency.detach(),
            "consistency_weight": weight,
            "mask_rate": mask.mean(),
        }
        return StepOutput(supervised + unlabeled, log, unlabeled_loss=unlabeled.detach())

    def consistency_weight(self, t: Progress) -> float:
        """w r(t)."""
        length = self.cfg.rampup * t.total
        step = t.step if self.cfg.rampup_stairs is None else stairs(t.step, length, self.cfg.rampup_stairs)
        return self.cfg.consistency_weight * sigmoid_rampup(step, length)

    def threshold(self, t: Progress, num_classes: int) -> float:
        """H(t), the entropy in nats that a voxel must stay below."""
        start = self.cfg.threshold_start
        return (start + (1.0 - start) * sigmoid_rampup(t.step, t.total)) * math.log(num_classes)

    def _uncertainty(self, images: Tensor) -> Tensor:
        """(B, *S): entropy in nats of the mean of the teacher's softmaxes over T noisy passes."""
        pair = images.repeat(2, *(1,) * (images.ndim - 1))
        total = torch.zeros((), dtype=images.dtype, device=images.device)
        for _ in range(self.cfg.passes // 2):
            first, second = at_least_float32(self.teacher(self._noisy(pair))).softmax(1).chunk(2)
            total = total + (first + second)
        mean = total / self.cfg.passes
        return -(mean * (mean + 1e-6).log()).sum(1)

    def _noisy(self, images: Tensor) -> Tensor:
        deviation = self.cfg.teacher_noise
        return images + (deviation * torch.randn_like(images)).clamp(-2.0 * deviation, 2.0 * deviation)
