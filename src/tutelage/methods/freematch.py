"""FreeMatch: thresholds that follow the student's own confidence, for all classes and for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, PseudoLabels, SemiSupervisedBatch, StepOutput
from tutelage.core.distributed import mean_of_ranks
from tutelage.core.ema import EMATeacher
from tutelage.core.precision import at_least_float32
from tutelage.core.targets import moved_towards
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EvaluatedEMAConfig
from tutelage.networks.base import Network
from tutelage.tasks.base import Task

LEAST_SHARE = 1e-6  # of a class; reached after some ten thousand steps that nobody predicts it


class FreeMatch(Method[SemiSupervisedBatch]):
    """FreeMatch: Wang et al. 2022, arXiv:2205.07246.

    loss = H(y, p(weak x)) + lambda_u mean(1[max p(weak u) >= tau q_c / max q] H(c, p(strong u))) + w_f fairness,
    c = argmax p(weak u), with tau and q the moving averages of max p(weak u) and p(weak u), this batch included.
    fairness = sum over classes of N(q / h) log N(m / g): N divides by the sum, h is the moving average of the histogram
    of c, m the mean of p(strong u) over the rows that pass, g the histogram of its argmax over them.
    """

    name, evaluated = "freematch", "teacher"
    labeled_views, unlabeled_views = ("weak",), ("weak", "strong")
    teacher: EMATeacher
    threshold: Tensor
    class_probs: Tensor
    class_shares: Tensor

    @dataclass(frozen=True, kw_only=True)
    class Config(EvaluatedEMAConfig):
        """Settings of `freematch`."""

        unlabeled_weight: Annotated[float, "lambda_u"] = 1.0
        fairness_weight: Annotated[float, "w_f; 0.001 in the published recipes"] = 0.01
        threshold_decay: Annotated[float, "decay of the moving averages tau, q and h"] = 0.999
        threshold_min: Annotated[float, "tau is kept at or above this; SVHN: 0.9"] = 0.0
        threshold_max: Annotated[float, "tau is kept at or below this; SVHN: 0.95"] = 1.0

        def __post_init__(self) -> None:
            super().__post_init__()
            require(self.unlabeled_weight >= 0, "method.unlabeled_weight", "at least 0", self.unlabeled_weight)
            require(self.fairness_weight >= 0, "method.fairness_weight", "at least 0", self.fairness_weight)
            require(0.0 <= self.threshold_decay < 1.0, "method.threshold_decay", "in [0, 1)", self.threshold_decay)
            least = self.threshold_min
            require(0.0 <= least <= 1.0, "method.threshold_min", "in [0, 1]", least)
            bounds = f"in [threshold_min, 1] = [{least:g}, 1]"
            require(least <= self.threshold_max <= 1.0, "method.threshold_max", bounds, self.threshold_max)

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers=cfg.ema_buffers)
        uniform = torch.full((problem.num_classes,), 1.0 / problem.num_classes)
        self.register_buffer("threshold", uniform[0].clone())  # tau
        self.register_buffer("class_probs", uniform.clone())  # q
        self.register_buffer("class_shares", uniform.clone())  # h

    def pseudo_label_weight(self, probs: Tensor) -> Tensor:
        """(B,): 1 where the largest of `probs` (B, K) reaches the threshold of its class, else 0."""
        return passes(probs, self.threshold, self.class_probs)

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u, cfg = batch.labeled, batch.unlabeled, self.cfg
        logits = self.student(torch.cat([x.views[0], *u.views]))  # one pass, so that batch norm sees all rows
        logits_x, logits_weak, logits_strong = torch.split(at_least_float32(logits), [len(x), len(u), len(u)])
        probs = logits_weak.detach().softmax(1)
        confidence, pseudo_label = probs.max(1)

        share = 1.0 - cfg.threshold_decay  # of this batch
        threshold = moved_towards(self.threshold, mean_of_ranks(confidence.mean()), share)
        threshold = threshold.clamp(cfg.threshold_min, cfg.threshold_max)
        class_probs = moved_towards(self.class_probs, mean_of_ranks(probs.mean(0)), share)
        class_shares = moved_towards(self.class_shares, mean_of_ranks(histogram(probs)), share)
        mask = passes(probs, threshold, class_probs)

        supervised = self.task.loss(logits_x, x.label)
        unsupervised = (F.cross_entropy(logits_strong, pseudo_label, reduction="none") * mask).mean()
        probs_strong = logits_strong.softmax(1)
        mean_strong = (probs_strong * mask[:, None]).mean(0)  # a common factor of m, and of g, falls out in N
        # The value is that of all ranks' rows, the gradient that of this rank's share, since the ranks' are averaged.
        mean_strong = mean_of_ranks(mean_strong.detach()) + (mean_strong - mean_strong.detach())
        shares_strong = mean_of_ranks(histogram(probs_strong.detach(), mask))
        fairness = fairness_loss(class_probs, class_shares, mean_strong, shares_strong)
        unlabeled = cfg.unlabeled_weight * unsupervised + cfg.fairness_weight * fairness
        log: Log = {
            "supervised": supervised.detach(),
            "unsupervised": unsupervised.detach(),
            "fairness": fairness.detach(),
            "threshold": threshold,
        }
        return StepOutput(
            supervised + unlabeled,
            log,
            keep={"threshold": threshold, "class_probs": class_probs, "class_shares": class_shares},
            pseudo_labels=PseudoLabels(pseudo_label, mask),
            unlabeled_loss=unlabeled.detach(),
        )

    def remember(self, out: StepOutput) -> None:
        """Keep the moving averages."""
        for name, value in out.keep.items():
            self.get_buffer(name).copy_(value)


def passes(probs: Tensor, threshold: Tensor, class_probs: Tensor) -> Tensor:
    """(B,): 1 where the largest of `probs` (B, K) is at least threshold * class_probs / max(class_probs), else 0."""
    confidence, label = probs.max(1)
    return (confidence >= threshold * (class_probs / class_probs.max())[label]).float()


def histogram(probs: Tensor, mask: Tensor | None = None) -> Tensor:
    """(K,): share of the rows of `probs` (B, K) that are most probably of each class, and that `mask` (B,) lets in."""
    votes = F.one_hot(probs.argmax(1), probs.shape[1]).to(probs.dtype)
    return (votes if mask is None else votes * mask[:, None]).mean(0)


def fairness_loss(class_probs: Tensor, class_shares: Tensor, mean_strong: Tensor, shares_strong: Tensor) -> Tensor:
    """Scalar: sum over classes of N(class_probs / class_shares) log N(mean_strong / shares_strong); all are (K,).

    Classes without a row in `shares_strong` are left out of N on the right and of the sum: the toolbox adds the
    constant log 1e-12 for them, without gradient. 0 where no row passes.
    """
    expected = _normalized_ratio(class_probs, class_shares)
    got = _normalized_ratio(mean_strong, shares_strong)
    return (expected * torch.where(shares_strong > 0, got, 1.0).log()).sum()


def _normalized_ratio(values: Tensor, shares: Tensor) -> Tensor:
    ratio = values / shares.clamp_min(LEAST_SHARE) * (shares > 0)
    return ratio / ratio.sum().clamp_min(torch.finfo(ratio.dtype).tiny)
