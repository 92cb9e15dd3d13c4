"""Pseudo-Label: confident predictions are learned as if they were labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, PseudoLabels, SemiSupervisedBatch, StepOutput
from tutelage.core.ema import EMATeacher
from tutelage.core.precision import at_least_float32
from tutelage.core.schedules import linear_rampup
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EvaluatedEMAConfig
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


class PseudoLabel(Method[SemiSupervisedBatch]):
    """Pseudo-Label: Lee 2013, ICML workshop on challenges in representation learning (no arXiv id).

    loss = H(y, p(weak x)) + w r(t) mean(1[max p(weak u) >= tau] H(argmax p(weak u), p(weak u)))
    with H the cross-entropy, p the student's class probabilities and r a linear ramp-up from 0 to 1; the mean is over
    all unlabeled rows, the ones below the threshold included. One view gives both the pseudo-label and the loss. The
    moving average of the student is evaluated; it makes no pseudo-labels.
    """

    name, evaluated = "pseudo-label", "teacher"
    labeled_views, unlabeled_views = ("weak",), ("weak",)
    teacher: EMATeacher

    @dataclass(frozen=True, kw_only=True)
    class Config(EvaluatedEMAConfig):
        """Settings of `pseudo-label`; the defaults are those of FixMatch's code."""

        threshold: Annotated[float, "tau, the confidence that a pseudo-label needs"] = 0.95
        unlabeled_weight: Annotated[float, "w, after the ramp-up"] = 1.0
        rampup: Annotated[float, "length of the linear ramp-up, as a share of training"] = 0.4

        def __post_init__(self) -> None:
            super().__post_init__()
            require(0.0 <= self.threshold <= 1.0, "method.threshold", "in [0, 1]", self.threshold)
            require(self.unlabeled_weight >= 0, "method.unlabeled_weight", "at least 0", self.unlabeled_weight)
            require(0.0 <= self.rampup <= 1.0, "method.rampup", "in [0, 1]", self.rampup)

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers=cfg.ema_buffers)

    def pseudo_label_weight(self, probs: Tensor) -> Tensor:
        """(B,): 1 where the largest of `probs` (B, K) reaches the threshold, else 0."""
        return (probs.amax(1) >= self.cfg.threshold).float()

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u, cfg = batch.labeled, batch.unlabeled, self.cfg
        logits = self.student(torch.cat([x.views[0], u.views[0]]))  # one pass, so that batch norm sees all rows
        logits_x, logits_u = torch.split(at_least_float32(logits), [len(x), len(u)])
        probs = logits_u.detach().softmax(1)
        pseudo_label, mask = probs.argmax(1), self.pseudo_label_weight(probs)

        supervised = self.task.loss(logits_x, x.label)
        unsupervised = (F.cross_entropy(logits_u, pseudo_label, reduction="none") * mask).mean()
        weight = cfg.unlabeled_weight * linear_rampup(t.step, cfg.rampup * t.total)
        unlabeled = weight * unsupervised
        log: Log = {
            "supervised": supervised.detach(),
            "unsupervised": unsupervised.detach(),
            "unlabeled_weight": weight,
        }
        pseudo_labels = PseudoLabels(pseudo_label, mask)
        return StepOutput(supervised + unlabeled, log, pseudo_labels=pseudo_labels, unlabeled_loss=unlabeled.detach())
