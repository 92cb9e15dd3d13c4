"""Mean Teacher: consistency with the student's own moving average."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Annotated, Literal, cast

import torch
from torch import nn

from tutelage.batch import Batch, Progress, StepOutput
from tutelage.ema import EMATeacher
from tutelage.losses import logit_distance, softmax_kl, softmax_mse
from tutelage.methods.base import Method, Problem
from tutelage.schedules import RAMPS
from tutelage.settings import require
from tutelage.tasks.base import Task


class MeanTeacher(Method):
    """Mean Teacher: Tarvainen & Valpola 2017, arXiv:1703.01780.

    loss = H(y, p(weak x)) + w r(t) mean over rows of d(p_student(view 1), p_teacher(view 2))
    with H the cross-entropy, d the squared difference of the softmaxes averaged over classes (or KL(teacher ||
    student)), r a ramp-up from 0 to 1, and the teacher the moving average of the student. The rows are those of both
    streams. Both networks run in training mode; the teacher is what is evaluated.

    With `logit_distance_weight` the student has a second head: the class loss trains the first, consistency the second,
    and loss += logit_distance_weight * mean((z1 - z2)^2) ties them (the original's ResNet recipe).
    """

    name, evaluated = "mean-teacher", "teacher"
    labeled_views, unlabeled_views = ("weak", "weak"), ("weak", "weak")
    teacher: EMATeacher

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings of `mean-teacher`. Weights are for costs averaged over rows, as in the FixMatch code's baseline."""

        consistency: Annotated[Literal["mse", "kl"], "cost between the two softmaxes"] = "mse"
        consistency_weight: Annotated[float, "w, after the ramp-up; 10 to 100 for mse, 1 to 10 for kl"] = 50.0
        consistency_on: Annotated[Literal["all", "unlabeled"], "rows that consistency is asked of"] = "all"
        ramp: Annotated[Literal["sigmoid", "linear"], "shape of the ramp-up r"] = "linear"
        rampup: Annotated[float, "length of the ramp-up, as a share of training"] = 0.4
        class_loss_divisor: Annotated[
            Literal["labeled", "batch"], "rows the class loss is averaged over; the original's code takes the batch"
        ] = "labeled"
        logit_distance_weight: Annotated[float | None, "two heads, tied by this weight; None is one head"] = None
        ema_decay: Annotated[float, "of the teacher"] = 0.999
        ema_warmup: Annotated[bool, "average plainly over the first 1 / (1 - ema_decay) steps"] = True
        ema_buffers: Annotated[Literal["own", "copy"], "the teacher's batch-norm statistics: its own, or copies"] = (
            "own"
        )
        teacher_mode: Annotated[Literal["train", "eval"], "train: dropout and batch statistics in the teacher too"] = (
            "train"
        )

        def __post_init__(self) -> None:
            require(self.consistency_weight >= 0, "method.consistency_weight", "at least 0", self.consistency_weight)
            require(0.0 <= self.rampup <= 1.0, "method.rampup", "in [0, 1]", self.rampup)
            require(0.0 <= self.ema_decay < 1.0, "method.ema_decay", "in [0, 1)", self.ema_decay)
            distance = self.logit_distance_weight
            require(distance is None or distance > 0, "method.logit_distance_weight", "above 0, or none", distance)
            require(
                self.teacher_mode == "train" or self.ema_buffers == "copy",
                "method.ema_buffers",
                "copy with teacher_mode = eval, since a teacher in eval mode never moves statistics of its own",
                self.ema_buffers,
            )

    def __init__(self, student: nn.Module, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.ema_decay, warmup=cfg.ema_warmup, buffers=cfg.ema_buffers)
        self.consistency_head: nn.Linear | None = None
        if cfg.logit_distance_weight is not None:
            self.consistency_head = cast(nn.Linear, copy.deepcopy(student.head))
            self.consistency_head.reset_parameters()

    def train(self, mode: bool = True) -> MeanTeacher:
        """As `nn.Module.train`, but the teacher stays in the mode of the settings."""
        super().train(mode)
        self.teacher.train(mode and self.cfg.teacher_mode == "train")
        return self

    def forward(self, batch: Batch, t: Progress) -> StepOutput:
        x, u, cfg = batch.labeled, batch.unlabeled, self.cfg
        features = self.student.features(torch.cat([x.views[0], u.views[0]]))  # one pass: batch norm sees all rows
        logits = self.student.head(features)
        logits_second = logits if self.consistency_head is None else self.consistency_head(features)
        if cfg.consistency_on == "all":
            answer, target = logits_second, self.teacher(torch.cat([x.views[1], u.views[1]]))
        else:
            answer, target = logits_second[len(x) :], self.teacher(u.views[1])

        supervised = self.task.loss(logits[: len(x)], x.label)
        if cfg.class_loss_divisor == "batch":
            supervised = supervised * (len(x) / len(logits))
        distance = softmax_mse if cfg.consistency == "mse" else softmax_kl
        consistency = distance(answer.float(), target.float()).mean()
        weight = cfg.consistency_weight * RAMPS[cfg.ramp](t.step, cfg.rampup * t.total)
        loss = supervised + weight * consistency
        log = {"supervised": supervised.detach(), "consistency": consistency.detach(), "consistency_weight": weight}
        if self.consistency_head is not None:
            tie = logit_distance(logits, logits_second).mean()
            loss = loss + cfg.logit_distance_weight * tie
            log["logit_distance"] = tie.detach()
        return StepOutput(loss, log)
