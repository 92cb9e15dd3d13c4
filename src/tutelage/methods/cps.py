"""CPS: two networks that take each other's classes for labels."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, SemiSupervisedBatch, StepOutput
from tutelage.core.ema import EMATeacher
from tutelage.core.precision import at_least_float32
from tutelage.core.schedules import sigmoid_rampup
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EMAConfig
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


class CPS(Method[SemiSupervisedBatch]):
    """Cross pseudo supervision: Chen et al. 2021, arXiv:2106.01226.

    loss = L(y, p1(x)) + L(y, p2(x)) + w r(t) mean over voxels of (H(argmax p2(u), p1(u)) + H(argmax p1(u), p2(u)))
    with L the task's loss, H the cross-entropy, r a sigmoid ramp-up, and p1, p2 two networks of one shape that start
    from different weights. All voxels count, however unsure; no gradient goes through an argmax.

    The student is the first network; the moving average of its weights is what is evaluated, as in the other methods.
    """

    name, evaluated, tasks = "cps", "teacher", ("segmentation",)
    labeled_views, unlabeled_views = ("weak",), ("weak",)

    @dataclass(frozen=True, kw_only=True)
    class Config(EMAConfig):
        """Settings of `cps`. Weight and ramp-up are those of SSL4MIS; the paper's weight is 1.5 to 6 for photos."""

        unlabeled_weight: Annotated[float, "w, after the ramp-up"] = 0.1
        rampup: Annotated[float, "length of the ramp-up r, as a share of training"] = 1.0
        slowest: ClassVar[float] = 0.99

        def __post_init__(self) -> None:
            super().__post_init__()
            require(self.unlabeled_weight >= 0, "method.unlabeled_weight", "at least 0", self.unlabeled_weight)
            require(0.0 <= self.rampup <= 1.0, "method.rampup", "in [0, 1]", self.rampup)

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers="copy")
        self.second = copy.deepcopy(student)
        for module in self.second.modules():
            if isinstance(module, nn.modules.conv._ConvNd | nn.modules.batchnorm._BatchNorm):
                module.reset_parameters()
            if isinstance(module, nn.modules.conv._ConvNd):
                nn.init.xavier_normal_(module.weight)  # SSL4MIS draws the two networks from two distributions

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u = batch.labeled, batch.unlabeled
        images = torch.cat([x.views[0], u.views[0]])  # one pass of each network: batch norm sees all rows
        logits_x, logits_u = torch.split(at_least_float32(self.student(images)), [len(x), len(u)])
        second_x, second_u = torch.split(at_least_float32(self.second(images)), [len(x), len(u)])
        supervised = self.task.loss(logits_x, x.label) + self.task.loss(second_x, x.label)
        crossed = F.cross_entropy(logits_u, second_u.argmax(1)) + F.cross_entropy(second_u, logits_u.argmax(1))
        weight = self.cfg.unlabeled_weight * sigmoid_rampup(t.step, self.cfg.rampup * t.total)
        unlabeled = weight * crossed
        agreement = (logits_u.argmax(1) == second_u.argmax(1)).float().mean()
        log: Log = {
            "supervised": supervised.detach(),
            "unsupervised": crossed.detach(),
            "unsupervised_weight": weight,
            "agreement": agreement,
        }
        return StepOutput(supervised + unlabeled, log, unlabeled_loss=unlabeled.detach())
