"""The labeled part alone: what every other method is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import nn

from tutelage.batch import Batch, Progress, StepOutput
from tutelage.ema import EMATeacher
from tutelage.methods.base import Method, Problem
from tutelage.settings import require
from tutelage.tasks.base import Task


class Supervised(Method):
    """Supervised training on the labeled images, with the same network, budget and augmentation as the others.

    loss = mean over labeled rows of H(y, p(weak x)), with H the cross-entropy.

    The moving average of the weights is what is evaluated, as in the semi-supervised methods: so a comparison shows
    what the unlabeled images add, not what averaging adds.
    """

    name, evaluated = "supervised", "teacher"
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
        loss = self.task.loss(self.student(x.views[0]), x.label)
        return StepOutput(loss, {"supervised": loss.detach()})
