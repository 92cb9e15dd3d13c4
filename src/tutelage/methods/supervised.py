"""The labeled part alone: what every other method is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import nn

from tutelage.config.settings import require
from tutelage.core.batch import Batch, Progress, StepOutput
from tutelage.core.ema import EMATeacher
from tutelage.methods.base import Method, Problem
from tutelage.tasks.base import Task


class Supervised(Method):
    """Supervised training on the labeled images, with the same network, budget and augmentation as the others.

    loss = L(y, p(weak x)), with L the task's loss: the cross-entropy, averaged over labeled rows, or for segmentation
    cross-entropy and Dice; with a network of deep supervision its mean over the levels of the network.

    The moving average of the weights is what is evaluated, as in the semi-supervised methods: so a comparison shows
    what the unlabeled images add, not what averaging adds.
    """

    name, evaluated = "supervised", "teacher"
    tasks, deep_supervision = ("classification", "segmentation"), True
    labeled_views = ("weak",)

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings of `supervised`."""

        ema_decay: Annotated[float, "of the network that is evaluated"] = 0.999
        ema_warmup: Annotated[bool, "average plainly over the first 1 / (1 - ema_decay) steps"] = True

        def __post_init__(self) -> None:
            require(0.0 <= self.ema_decay < 1.0, "method.ema_decay", "in [0, 1)", self.ema_decay)

    def __init__(self, student: nn.Module, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.ema_decay, warmup=cfg.ema_warmup, buffers="copy")

    def forward(self, batch: Batch, t: Progress) -> StepOutput:
        x = batch.labeled
        maps = self.student.maps(x.views[0])
        loss = torch.stack([self.task.loss(logits, x.label) for logits in maps]).mean()
        return StepOutput(loss, {"supervised": loss.detach()})
