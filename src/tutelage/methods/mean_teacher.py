"""Mean Teacher: consistency with the student's own moving average."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import nn

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, SemiSupervisedBatch, StepOutput
from tutelage.core.ema import EMATeacher
from tutelage.core.losses import logit_distance, logit_mse, softmax_kl, softmax_mse
from tutelage.core.precision import at_least_float32
from tutelage.core.schedules import RAMPS
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import TeacherEMAConfig
from tutelage.methods.sntg import DISTANCE, MARGIN, check_sntg, sntg_loss
from tutelage.networks.base import Network
from tutelage.tasks.base import Task

COSTS = {"mse": softmax_mse, "kl": softmax_kl, "logit-mse": logit_mse}


class MeanTeacher(Method[SemiSupervisedBatch]):
    """Mean Teacher: Tarvainen & Valpola 2017, arXiv:1703.01780.

    loss = H(y, p(weak x)) + w r(t) mean over rows of d(p_student(view 1), p_teacher(view 2))
    with H the cross-entropy, d the squared difference of the softmaxes averaged over classes (or KL(teacher ||
    student)), r a ramp-up from 0 to 1, and the teacher the moving average of the student. The rows are those of both
    streams. Both networks run in training mode; the teacher is what is evaluated.

    With `logit_distance_weight` the student has a second head: the class loss trains the first, consistency the second,
    and loss += logit_distance_weight * mean((z1 - z2)^2) ties them (the original's ResNet recipe).

    With `sntg_weight` (Luo et al. 2018, arXiv:1711.00258), over random pairs of rows with the student's features h,
    loss += sntg_weight w r(t) mean of d^2 if both are of one class, else max(0, margin - d)^2
    where d is the distance of their h, and the class is the label or what the teacher takes the row for.

    In segmentation H is the task's loss, a mean over rows is one over their voxels, and there are no pairs of rows.
    """

    name, evaluated = "mean-teacher", "teacher"
    tasks = ("classification", "segmentation")
    labeled_views, unlabeled_views = ("weak", "weak"), ("weak", "weak")
    teacher: EMATeacher

    @dataclass(frozen=True, kw_only=True)
    class Config(TeacherEMAConfig):
        """Settings of `mean-teacher`. Weights are for costs averaged over rows, as in the FixMatch code's baseline."""

        consistency: Annotated[
            Literal["mse", "kl", "logit-mse"],
            "distance of the two softmaxes; logit-mse compares raw logits, a known mistake, to show its effect",
        ] = "mse"
        consistency_weight: Annotated[float, "w, after the ramp-up; 10 to 100 for mse, 1 to 10 for kl"] = 50.0
        consistency_on: Annotated[Literal["all", "unlabeled"], "rows that have a consistency loss"] = "all"
        ramp: Annotated[Literal["sigmoid", "linear"], "shape of the ramp-up r"] = "linear"
        rampup: Annotated[float, "length of the ramp-up, as a share of training"] = 0.4
        class_loss_divisor: Annotated[
            Literal["labeled", "batch"],
            "rows that the class loss is averaged over; all of the batch in the original code",
        ] = "labeled"
        logit_distance_weight: Annotated[
            float | None, "two heads, tied by this weight; by default there is one head"
        ] = None
        sntg_weight: Annotated[float | None, "weight of SNTG, as a multiple of w; by default SNTG is left out"] = None
        sntg_margin: Annotated[float, "SNTG's margin m between features of two classes"] = MARGIN
        sntg_distance: Annotated[
            Literal["mean", "sum"], "SNTG's squared distance is the mean (as in the original code) or sum over features"
        ] = DISTANCE
        teacher_mode: Annotated[
            Literal["train", "eval"], "train: the teacher, too, uses dropout and batch statistics"
        ] = "train"

        def __post_init__(self) -> None:
            super().__post_init__()
            require(self.consistency_weight >= 0, "method.consistency_weight", "at least 0", self.consistency_weight)
            require(0.0 <= self.rampup <= 1.0, "method.rampup", "in [0, 1]", self.rampup)
            check_sntg(self.sntg_weight, self.sntg_margin, self.sntg_distance)
            distance = self.logit_distance_weight
            require(distance is None or distance > 0, "method.logit_distance_weight", "above 0, or none", distance)
            require(
                self.teacher_mode == "train" or self.ema_buffers == "copy",
                "method.ema_buffers",
                "copy with teacher_mode = eval, since a teacher in eval mode never moves statistics of its own",
                self.ema_buffers,
            )

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        if not isinstance(student.head, nn.Linear):
            for name in ("logit_distance_weight", "sntg_weight"):
                require(getattr(cfg, name) is None, f"method.{name}", "none in segmentation", getattr(cfg, name))
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers=cfg.ema_buffers)
        self.consistency_head: nn.Linear | None = None
        if cfg.logit_distance_weight is not None:
            self.consistency_head = copy.deepcopy(student.head)
            self.consistency_head.reset_parameters()

    def train(self, mode: bool = True) -> MeanTeacher:
        """As `nn.Module.train`, but the teacher stays in the mode of the settings."""
        super().train(mode)
        self.teacher.train(mode and self.cfg.teacher_mode == "train")
        return self

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
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
        consistency = COSTS[cfg.consistency](at_least_float32(answer), at_least_float32(target)).mean()
        weight = cfg.consistency_weight * RAMPS[cfg.ramp](t.step, cfg.rampup * t.total)
        unlabeled = weight * consistency
        log: Log = {
            "supervised": supervised.detach(),
            "consistency": consistency.detach(),
            "consistency_weight": weight,
        }
        if cfg.logit_distance_weight is not None:
            tie = logit_distance(at_least_float32(logits), at_least_float32(logits_second)).mean()
            unlabeled = unlabeled + cfg.logit_distance_weight * tie
            log["logit_distance"] = tie.detach()
        if cfg.sntg_weight is not None:
            guess = target[-len(u) :].argmax(1)
            neighbors = sntg_loss(features, x.label, guess, margin=cfg.sntg_margin, distance=cfg.sntg_distance)
            unlabeled = unlabeled + cfg.sntg_weight * weight * neighbors
            log["sntg"] = neighbors.detach()
        return StepOutput(supervised + unlabeled, log, unlabeled_loss=unlabeled.detach())
