"""The labeled part alone: what every other method is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tutelage.core.batch import Progress, StepOutput, SupervisedBatch
from tutelage.core.ema import EMATeacher
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EMAConfig
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


class Supervised(Method[SupervisedBatch]):
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
    class Config(EMAConfig):
        """Settings of `supervised`."""

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers="copy")

    def forward(self, batch: SupervisedBatch, t: Progress) -> StepOutput:
        x = batch.labeled
        maps = self.student.maps(x.views[0])
        loss = torch.stack([self.task.loss(logits, x.label) for logits in maps]).mean()
        return StepOutput(loss, {"supervised": loss.detach()})
