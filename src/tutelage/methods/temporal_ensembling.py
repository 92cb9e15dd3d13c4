"""Temporal Ensembling: consistency with the average of the student's earlier predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, SemiSupervisedBatch, StepOutput
from tutelage.core.distributed import rows_of_all_ranks
from tutelage.core.errors import ConfigError
from tutelage.core.losses import target_mse
from tutelage.core.precision import at_least_float32
from tutelage.core.schedules import RAMPS
from tutelage.core.wording import option
from tutelage.methods.base import Method, Problem
from tutelage.methods.sntg import DISTANCE, MARGIN, check_sntg, sntg_loss
from tutelage.networks.base import Network
from tutelage.tasks.base import Task

MOST_BYTES = 2 * 2**30  # of the ensemble, which lies on the device and in each checkpoint


class TemporalEnsembling(Method[SemiSupervisedBatch]):
    """Temporal Ensembling: Laine & Aila 2017, arXiv:1610.02242.

    loss = H(y, p(weak x)) + w r(t) mean over rows of |p(weak row) - Z_row / (1 - a^n)|^2 / K
    with H the cross-entropy, p the student's class probabilities over K classes, r a ramp-up from 0 to 1, and n the
    number of earlier visits of the row; after each, Z <- a Z + (1 - a) p, from 0. The rows are those of both streams.
    A row's first visit has no target and costs nothing. There is no teacher: the student is what is evaluated.

    With `sntg_weight` (Luo et al. 2018, arXiv:1711.00258), over random pairs of rows with their features h,
    loss += sntg_weight w r(t) mean of d^2 if both are of one class, else max(0, margin - d)^2
    where d is the distance of their h, and the class is the label or what the target is highest in.
    """

    name, evaluated = "temporal-ensembling", "student"
    labeled_views, unlabeled_views = ("weak",), ("weak",)
    ensemble: Tensor
    visits: Tensor

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings of `temporal-ensembling`. Weights are for costs averaged over rows."""

        consistency_weight: Annotated[float, "w, after the ramp-up"] = 30.0
        ensemble_decay: Annotated[float, "a, decay of the average of a row's earlier predictions"] = 0.6
        ramp: Annotated[Literal["sigmoid", "linear"], "shape of the ramp-up r"] = "sigmoid"
        rampup: Annotated[float, "length of the ramp-up, as a share of training"] = 80 / 300
        class_loss_divisor: Annotated[
            Literal["labeled", "batch"],
            "rows that the class loss is averaged over; all of the batch in the original code",
        ] = "labeled"
        sntg_weight: Annotated[float | None, "weight of SNTG, as a multiple of w; by default SNTG is left out"] = None
        sntg_margin: Annotated[float, "SNTG's margin m between features of two classes"] = MARGIN
        sntg_distance: Annotated[
            Literal["mean", "sum"], "SNTG's squared distance is the mean (as in the original code) or sum over features"
        ] = DISTANCE

        def __post_init__(self) -> None:
            require(self.consistency_weight >= 0, "method.consistency_weight", "at least 0", self.consistency_weight)
            require(0.0 <= self.ensemble_decay < 1.0, "method.ensemble_decay", "in [0, 1)", self.ensemble_decay)
            require(0.0 <= self.rampup <= 1.0, "method.rampup", "in [0, 1]", self.rampup)
            check_sntg(self.sntg_weight, self.sntg_margin, self.sntg_distance)

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        rows, classes = problem.train_rows, problem.num_classes
        if rows < 1:
            raise ConfigError(
                "temporal-ensembling remembers a prediction for each row, so it needs data of a known number of rows; "
                f"use {option('method', 'mean-teacher')}, or bring the data as a folder, a table or arrays"
            )
        if 4 * rows * classes > MOST_BYTES:
            raise ConfigError(
                f"temporal-ensembling would remember {rows} rows x {classes} classes, {4e-9 * rows * classes:.1f} GB "
                f"on the device and in each checkpoint, where {1e-9 * MOST_BYTES:.1f} GB is the most; use "
                f"{option('method', 'mean-teacher')}, which keeps no predictions"
            )
        self.register_buffer("ensemble", torch.zeros(rows, classes))
        self.register_buffer("visits", torch.zeros(rows, dtype=torch.int64))

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u, cfg = batch.labeled, batch.unlabeled, self.cfg
        features = self.student.features(torch.cat([x.views[0], u.views[0]]))  # one pass: batch norm sees all rows
        logits = at_least_float32(self.student.head(features))
        index = torch.cat([x.index, u.index])
        visited = self.visits[index] > 0
        target = self.ensemble[index] / (1.0 - cfg.ensemble_decay ** self.visits[index].clamp(min=1))[:, None]

        supervised = self.task.loss(logits[: len(x)], x.label)
        if cfg.class_loss_divisor == "batch":
            supervised = supervised * (len(x) / len(logits))
        consistency = (target_mse(logits, target) * visited).mean()  # over all rows: a first visit costs nothing
        weight = cfg.consistency_weight * RAMPS[cfg.ramp](t.step, cfg.rampup * t.total)
        unlabeled = weight * consistency
        log: Log = {
            "supervised": supervised.detach(),
            "consistency": consistency.detach(),
            "consistency_weight": weight,
        }
        if cfg.sntg_weight is not None:
            guess = torch.where(visited, target.argmax(1), -1)[len(x) :]
            neighbors = sntg_loss(features, x.label, guess, margin=cfg.sntg_margin, distance=cfg.sntg_distance)
            unlabeled = unlabeled + cfg.sntg_weight * weight * neighbors
            log["sntg"] = neighbors.detach()
        keep = {"index": index, "probs": logits.detach().softmax(1)}
        return StepOutput(supervised + unlabeled, log, keep=keep, unlabeled_loss=unlabeled.detach())

    @torch.no_grad()
    def remember(self, out: StepOutput) -> None:
        """Z <- a Z + (1 - a) p for the rows of the step.

        The original updates all rows after an epoch; a row's own visit is the same where an epoch visits it once. A row
        that stands in the batch more than once (in both streams, say) has one visit, with the mean of its predictions.
        """
        index, probs = rows_of_all_ranks(out.keep["index"]), rows_of_all_ranks(out.keep["probs"])
        same = index[:, None] == index[None, :]  # (B, B)
        mean = (same.to(probs.dtype) @ probs) / same.sum(1, keepdim=True)
        mean = mean[same.float().argmax(1)]  # the first of the same rows, so that all write the same bits
        a = self.cfg.ensemble_decay
        self.ensemble[index] = a * self.ensemble[index] + (1.0 - a) * mean
        self.visits[index] = self.visits[index] + 1
