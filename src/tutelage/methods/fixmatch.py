"""FixMatch: pseudo-labels from a weak view, learned on a strong one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, PseudoLabels, SemiSupervisedBatch, StepOutput
from tutelage.core.ema import EMATeacher
from tutelage.core.precision import at_least_float32
from tutelage.core.targets import Alignment
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EvaluatedEMAConfig
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


class FixMatch(Method[SemiSupervisedBatch]):
    """FixMatch: Sohn et al. 2020, arXiv:2001.07685, algorithm 1.

    loss = H(y, p(weak x)) + lambda_u mean(1[max p(weak u) >= tau] H(argmax p(weak u), p(strong u)))
    with H the cross-entropy and p the student's class probabilities; the mean is over all unlabeled rows, the ones
    below the threshold included. The moving average of the student is evaluated; it makes no pseudo-labels.

    With `alignment_steps` (an extension in the paper, after ReMixMatch) p(weak u) is first aligned: p p(y) / p~, made
    to sum to 1, with p(y) the class frequencies of the labeled images and p~ the mean prediction of the last
    `alignment_steps` steps.

    The strong view is RandAugment's, or CTAugment's with `augment.strong.policy = "ctaugment"`.
    """

    name, evaluated = "fixmatch", "teacher"
    labeled_views, unlabeled_views = ("weak",), ("weak", "strong")
    teacher: EMATeacher

    @dataclass(frozen=True, kw_only=True)
    class Config(EvaluatedEMAConfig):
        """Settings of `fixmatch`."""

        threshold: Annotated[float, "tau, the confidence that a pseudo-label needs"] = 0.95
        unlabeled_weight: Annotated[float, "lambda_u"] = 1.0
        alignment_steps: Annotated[
            int,
            "steps whose mean prediction is aligned with the class frequencies of the labels; 0: no alignment",
        ] = 0
        passes: Annotated[
            Literal["joint", "separate", "kept"],
            "joint: all rows in one pass; separate: a separate pass, without gradient, for the weak unlabeled rows; "
            "kept: the same, and no pass for strong rows below the threshold",
        ] = "joint"

        def __post_init__(self) -> None:
            super().__post_init__()
            require(0.0 <= self.threshold <= 1.0, "method.threshold", "in [0, 1]", self.threshold)
            require(self.unlabeled_weight >= 0, "method.unlabeled_weight", "at least 0", self.unlabeled_weight)
            require(0 <= self.alignment_steps <= 2**20, "method.alignment_steps", "in [0, 2^20]", self.alignment_steps)

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers=cfg.ema_buffers)
        self.alignment = Alignment(problem.labeled_counts, cfg.alignment_steps)

    def pseudo_label_weight(self, probs: Tensor) -> Tensor:
        """(B,): 1 where the largest of `probs` (B, K), aligned as in training, reaches the threshold, else 0."""
        return (self.guess(probs).amax(1) >= self.cfg.threshold).float()

    def guess(self, probs: Tensor) -> Tensor:
        """(B, K): `probs`, aligned where the settings say so."""
        aligned: Tensor = self.alignment(probs)
        return aligned

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u = batch.labeled, batch.unlabeled
        if self.cfg.passes == "joint":
            logits = self.student(torch.cat([x.views[0], *u.views]))  # one pass, so that batch norm sees all rows
            logits_x, logits_weak, logits_strong = torch.split(at_least_float32(logits), [len(x), len(u), len(u)])
            probs = logits_weak.detach().softmax(1)
            pseudo_label, mask = self.guess(probs).argmax(1), self.pseudo_label_weight(probs)
            target, weight = pseudo_label, mask
        else:
            # The weak rows need no gradient, and those below the threshold have none: a processor saves their share of
            # the work. What changes is batch norm's view; `kept` skews it to the classes that pass the threshold, and
            # reads the number of rows from the device, which GPUs wait for.
            with torch.no_grad():
                probs = at_least_float32(self.student(u.views[0])).softmax(1)
            pseudo_label, mask = self.guess(probs).argmax(1), self.pseudo_label_weight(probs)
            rows = slice(None) if self.cfg.passes == "separate" else mask.nonzero().squeeze(1)
            logits = at_least_float32(self.student(torch.cat([x.views[0], u.views[1][rows]])))
            logits_x, logits_strong = logits[: len(x)], logits[len(x) :]
            target, weight = pseudo_label[rows], mask[rows]

        supervised = self.task.loss(logits_x, x.label)
        unsupervised = (F.cross_entropy(logits_strong, target, reduction="none") * weight).sum() / len(u)
        unlabeled = self.cfg.unlabeled_weight * unsupervised
        log: Log = {"supervised": supervised.detach(), "unsupervised": unsupervised.detach()}
        return StepOutput(
            supervised + unlabeled,
            log,
            keep={"predicted": probs.mean(0)},
            pseudo_labels=PseudoLabels(pseudo_label, mask),
            unlabeled_loss=unlabeled.detach(),
        )

    def remember(self, out: StepOutput) -> None:
        """Keep the mean prediction of the step, for alignment."""
        self.alignment.remember(out.keep["predicted"])
