"""Pi-model: consistency of the student with itself, under other noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, SemiSupervisedBatch, StepOutput
from tutelage.core.losses import mutual_softmax_mse, softmax_mse
from tutelage.core.precision import at_least_float32
from tutelage.core.schedules import RAMPS
from tutelage.methods.base import Method
from tutelage.methods.sntg import DISTANCE, MARGIN, check_sntg, sntg_loss


class PiModel(Method[SemiSupervisedBatch]):
    """Pi-model: Laine & Aila 2017, arXiv:1610.02242.

    loss = H(y, p(view 1 of x)) + w r(t) mean over rows of |p(view 1) - p(view 2)|^2 / K
    with H the cross-entropy, p the student's class probabilities over K classes, and r a ramp-up from 0 to 1. The rows
    are those of both streams. The gradient goes into both passes, or (FixMatch's code) into the first alone. There is
    no teacher: the student is what is evaluated.

    With `sntg_weight` (Luo et al. 2018, arXiv:1711.00258), over random pairs of rows with the features h of view 1,
    loss += sntg_weight w r(t) mean of d^2 if both are of one class, else max(0, margin - d)^2
    where d is the distance of their h, and the class is the label or what view 2 is taken for.
    """

    name, evaluated = "pi-model", "student"
    labeled_views, unlabeled_views = ("weak", "weak"), ("weak", "weak")

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings of `pi-model`. Weights are for costs averaged over rows, as in the FixMatch code's baseline."""

        consistency_weight: Annotated[float, "w, after the ramp-up; the original's is 100 at 4,000 labels"] = 10.0
        consistency_on: Annotated[Literal["all", "unlabeled"], "rows that have a consistency loss"] = "all"
        gradient: Annotated[
            Literal["both", "one"],
            "passes that get the gradient of the consistency loss; both in the original code, one in FixMatch's",
        ] = "both"
        ramp: Annotated[Literal["sigmoid", "linear"], "shape of the ramp-up r"] = "linear"
        rampup: Annotated[float, "length of the ramp-up, as a share of training"] = 0.4
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
            require(0.0 <= self.rampup <= 1.0, "method.rampup", "in [0, 1]", self.rampup)
            check_sntg(self.sntg_weight, self.sntg_margin, self.sntg_distance)

    cfg: Config

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u, cfg = batch.labeled, batch.unlabeled, self.cfg
        features = self.student.features(torch.cat([x.views[0], u.views[0]]))  # one pass: batch norm sees all rows
        logits = self.student.head(features)
        second = torch.cat([x.views[1], u.views[1]]) if cfg.consistency_on == "all" else u.views[1]
        with torch.set_grad_enabled(cfg.gradient == "both"):
            target = self.student(second)  # a pass of its own, as in the original: batch norm sees one view at a time

        supervised = self.task.loss(logits[: len(x)], x.label)
        if cfg.class_loss_divisor == "batch":
            supervised = supervised * (len(x) / len(logits))
        cost = mutual_softmax_mse if cfg.gradient == "both" else softmax_mse
        consistency = cost(at_least_float32(logits[-len(target) :]), at_least_float32(target)).mean()
        weight = cfg.consistency_weight * RAMPS[cfg.ramp](t.step, cfg.rampup * t.total)
        unlabeled = weight * consistency
        log: Log = {
            "supervised": supervised.detach(),
            "consistency": consistency.detach(),
            "consistency_weight": weight,
        }
        if cfg.sntg_weight is not None:
            guess = target[-len(u) :].argmax(1)
            neighbors = sntg_loss(features, x.label, guess, margin=cfg.sntg_margin, distance=cfg.sntg_distance)
            unlabeled = unlabeled + cfg.sntg_weight * weight * neighbors
            log["sntg"] = neighbors.detach()
        return StepOutput(supervised + unlabeled, log, unlabeled_loss=unlabeled.detach())
