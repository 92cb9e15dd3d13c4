"""UDA: the strong view shall be predicted as the sharpened weak one, where that is confident."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, PseudoLabels, SemiSupervisedBatch, StepOutput
from tutelage.core.distributed import mean_of_ranks, world_size
from tutelage.core.ema import EMATeacher
from tutelage.core.losses import softmax_kl
from tutelage.core.precision import at_least_float32
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EvaluatedEMAConfig
from tutelage.networks.base import Network
from tutelage.tasks.base import Task

ANNEALING: dict[str, Callable[[float], float]] = {
    "linear": lambda share: share,
    "exp": lambda share: math.exp(5.0 * (share - 1.0)),
    "log": lambda share: 1.0 - math.exp(-5.0 * share),
}
"""From the share of training that is done to how far the threshold of signal annealing has come from 1 / K to 1."""


class UDA(Method[SemiSupervisedBatch]):
    """UDA: Xie et al. 2019, arXiv:1904.12848.

    loss = H(y, p(weak x)) + lambda mean(1[max p(weak u) >= beta] KL(softmax(z(weak u) / T) || p(strong u)))
    with H the cross-entropy, z the student's logits and p its class probabilities; the mean is over all unlabeled rows,
    the ones below the threshold included. The target gets no gradient. The moving average of the student is evaluated.

    With `signal_annealing` a labeled row counts only while p(y) <= 1 / K + (1 - 1 / K) a(t), and H is averaged over the
    rows that count; of the share s of training that is done, a is s (linear), exp(5 (s - 1)) (exp) or 1 - exp(-5 s)
    (log).
    """

    name, evaluated = "uda", "teacher"
    labeled_views, unlabeled_views = ("weak",), ("weak", "strong")
    teacher: EMATeacher

    @dataclass(frozen=True, kw_only=True)
    class Config(EvaluatedEMAConfig):
        """Settings of `uda`; the defaults are those of the paper for CIFAR-10."""

        threshold: Annotated[float, "beta, the confidence of the unsharpened prediction that a target needs"] = 0.8
        temperature: Annotated[float, "T, temperature of the sharpening; 1 does not sharpen"] = 0.4
        unlabeled_weight: Annotated[float, "lambda"] = 1.0
        signal_annealing: Annotated[
            Literal["off", "linear", "exp", "log"],
            "leave out labeled images that are predicted too well for the current stage of training",
        ] = "off"

        def __post_init__(self) -> None:
            super().__post_init__()
            require(0.0 <= self.threshold <= 1.0, "method.threshold", "in [0, 1]", self.threshold)
            require(self.temperature > 0, "method.temperature", "above 0", self.temperature)
            require(self.unlabeled_weight >= 0, "method.unlabeled_weight", "at least 0", self.unlabeled_weight)

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers=cfg.ema_buffers)

    def pseudo_label_weight(self, probs: Tensor) -> Tensor:
        """(B,): 1 where the largest of `probs` (B, K) reaches the threshold, else 0."""
        return (probs.amax(1) >= self.cfg.threshold).float()

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u, cfg = batch.labeled, batch.unlabeled, self.cfg
        logits = self.student(torch.cat([x.views[0], *u.views]))  # one pass, so that batch norm sees all rows
        logits_x, logits_weak, logits_strong = torch.split(at_least_float32(logits), [len(x), len(u), len(u)])
        probs = logits_weak.detach().softmax(1)
        mask = self.pseudo_label_weight(probs)

        log: Log = {}
        if cfg.signal_annealing == "off":
            supervised = self.task.loss(logits_x, x.label)
        else:
            chance = 1 / self.problem.num_classes
            threshold = chance + (1 - chance) * ANNEALING[cfg.signal_annealing](t.step / t.total)
            supervised = annealed_cross_entropy(logits_x, x.label, threshold)
            log["signal_threshold"] = threshold
        unsupervised = (softmax_kl(logits_strong, logits_weak / cfg.temperature) * mask).mean()
        unlabeled = cfg.unlabeled_weight * unsupervised
        log |= {"supervised": supervised.detach(), "unsupervised": unsupervised.detach()}
        pseudo_labels = PseudoLabels(probs.argmax(1), mask)
        return StepOutput(supervised + unlabeled, log, pseudo_labels=pseudo_labels, unlabeled_loss=unlabeled.detach())


def annealed_cross_entropy(logits: Tensor, label: Tensor, threshold: float) -> Tensor:
    """Scalar: the cross-entropy of logits (B, K) averaged over the rows whose p(label) is at most `threshold`.

    Averaged over those rows of all processes, so that averaged gradients are those of the whole batch; 0 without any.
    """
    cost = F.cross_entropy(logits, label, reduction="none")
    counts = (cost.detach().neg().exp() <= threshold).float()
    return (cost * counts).sum() / mean_of_ranks(counts.sum()).clamp_min(1 / world_size())
