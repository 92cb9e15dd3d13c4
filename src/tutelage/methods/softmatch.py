"""SoftMatch: every pseudo-label counts, by how far its confidence lies below the usual one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, PseudoLabels, SemiSupervisedBatch, StepOutput
from tutelage.core.distributed import mean_of_ranks, rows_of_all_ranks
from tutelage.core.ema import EMATeacher
from tutelage.core.errors import ConfigError
from tutelage.core.precision import at_least_float32
from tutelage.core.targets import align, moved_towards
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EvaluatedEMAConfig
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


class SoftMatch(Method[SemiSupervisedBatch]):
    """SoftMatch: Chen et al. 2023, arXiv:2301.10921.

    loss = H(y, p(weak x)) + lambda_u mean(weight(weak u) H(argmax p(weak u), p(strong u)))
    with weight = exp(-min(max a - mu, 0)^2 / (2 sigma^2 / s^2)), s = 2: a Gaussian below mu, 1 above. a is p(weak u)
    aligned: p target / q, made to sum to 1, with q the moving average of p(weak u); the pseudo-label is of p itself,
    or of a with `aligned_labels`, which is not in the paper.
    mu and sigma^2 are the moving averages of mean and variance of max a. All of them include this batch. q starts
    uniform, as in TorchSSL; USB starts it at the mean of the first batch (`alignment_start`). mu starts at 1/K and
    sigma^2 at 1, so that at first every row counts fully; a network that predicts well already can start both at the
    first batch (`statistics_start`).
    """

    name, evaluated = "softmatch", "teacher"
    labeled_views, unlabeled_views = ("weak",), ("weak", "strong")
    teacher: EMATeacher
    mean: Tensor
    variance: Tensor
    class_probs: Tensor
    target: Tensor

    @dataclass(frozen=True, kw_only=True)
    class Config(EvaluatedEMAConfig):
        """Settings of `softmatch`."""

        unlabeled_weight: Annotated[float, "lambda_u"] = 1.0
        alignment: Annotated[
            Literal["uniform", "labeled", "none"], "target of a: uniform, or the mean prediction on labeled rows"
        ] = "uniform"
        alignment_start: Annotated[
            Literal["uniform", "first-batch"], "q before the first step: uniform, or the mean of the first batch (USB)"
        ] = "uniform"
        aligned_labels: Annotated[
            bool, "take the pseudo-label from a, not from p(weak u); ours, for few labels on frozen features"
        ] = False
        statistics_start: Annotated[
            Literal["published", "first-batch"],
            "mu and sigma^2 before the first step: 1/K and 1, or those of the first batch (ours, for trained networks)",
        ] = "published"
        sigmas: Annotated[float, "s; larger values give uncertain rows less weight"] = 2.0
        passes: Annotated[
            Literal["joint", "separate"],
            "joint: all rows in one pass; separate: a separate pass, without gradient, for the weak unlabeled rows",
        ] = "joint"
        statistics_decay: Annotated[float, "decay of the moving averages mu, sigma^2, q and the labeled target"] = 0.999

        def __post_init__(self) -> None:
            super().__post_init__()
            require(self.unlabeled_weight >= 0, "method.unlabeled_weight", "at least 0", self.unlabeled_weight)
            require(self.sigmas > 0, "method.sigmas", "above 0", self.sigmas)
            require(0.0 <= self.statistics_decay < 1.0, "method.statistics_decay", "in [0, 1)", self.statistics_decay)
            for name, unused in (("alignment_start", "uniform"), ("aligned_labels", False)):
                if self.alignment == "none" and getattr(self, name) != unused:
                    raise ConfigError(f"method.{name} does nothing with method.alignment = 'none'")

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        if problem.unlabeled_batch < 2:
            raise ConfigError(
                "softmatch needs at least 2 unlabeled images per step, for the variance of their confidence; raise "
                "train.batch_size or train.unlabeled_ratio"
            )
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers=cfg.ema_buffers)
        uniform = torch.full((problem.num_classes,), 1.0 / problem.num_classes)
        self.register_buffer("mean", uniform[0].clone())  # mu
        self.register_buffer("variance", torch.tensor(1.0))  # sigma^2
        self.register_buffer("class_probs", uniform.clone())  # q
        self.register_buffer("target", uniform.clone())

    def guess(self, probs: Tensor) -> Tensor:
        """(B, K): `probs`, aligned if pseudo-labels are made of aligned predictions."""
        return align(probs, self.target, self.class_probs) if self.cfg.aligned_labels else probs

    def pseudo_label_weight(self, probs: Tensor) -> Tensor:
        """(B,): the Gaussian weight of the largest of `probs` (B, K), aligned as in training."""
        if self.cfg.alignment != "none":
            probs = align(probs, self.target, self.class_probs)
        return gaussian_weight(probs.amax(1), self.mean, self.variance, self.cfg.sigmas)

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u, cfg = batch.labeled, batch.unlabeled, self.cfg
        if cfg.passes == "joint":
            logits = self.student(torch.cat([x.views[0], *u.views]))  # one pass, so that batch norm sees all rows
            logits_x, logits_weak, logits_strong = torch.split(at_least_float32(logits), [len(x), len(u), len(u)])
        else:  # saves the backward pass of rows that have no gradient; it changes what batch norm sees
            with torch.no_grad():
                logits_weak = at_least_float32(self.student(u.views[0]))
            logits = self.student(torch.cat([x.views[0], u.views[1]]))
            logits_x, logits_strong = torch.split(at_least_float32(logits), [len(x), len(u)])
        probs = logits_weak.detach().softmax(1)

        share = 1.0 - cfg.statistics_decay  # of this batch
        class_probs, target, aligned = self.class_probs, self.target, probs
        if cfg.alignment != "none":
            of_batch = mean_of_ranks(probs.mean(0))
            first = t.step == 0 and cfg.alignment_start == "first-batch"
            class_probs = of_batch if first else moved_towards(class_probs, of_batch, share)
            if cfg.alignment == "labeled":
                target = moved_towards(target, mean_of_ranks(logits_x.detach().softmax(1).mean(0)), share)
            aligned = align(probs, target, class_probs)
        pseudo_label = (aligned if cfg.aligned_labels else probs).argmax(1)
        confidence = rows_of_all_ranks(aligned.amax(1))
        if t.step == 0 and cfg.statistics_start == "first-batch":
            mean, variance = confidence.mean(), confidence.var()
        else:
            mean = moved_towards(self.mean, confidence.mean(), share)
            variance = moved_towards(self.variance, confidence.var(), share)
        weight = gaussian_weight(aligned.amax(1), mean, variance, cfg.sigmas)

        supervised = self.task.loss(logits_x, x.label)
        unsupervised = (F.cross_entropy(logits_strong, pseudo_label, reduction="none") * weight).mean()
        unlabeled = cfg.unlabeled_weight * unsupervised
        log: Log = {
            "supervised": supervised.detach(),
            "unsupervised": unsupervised.detach(),
            "confidence_mean": mean,
            "confidence_std": variance.sqrt(),
        }
        return StepOutput(
            supervised + unlabeled,
            log,
            keep={"mean": mean, "variance": variance, "class_probs": class_probs, "target": target},
            pseudo_labels=PseudoLabels(pseudo_label, weight),
            unlabeled_loss=unlabeled.detach(),
        )

    def remember(self, out: StepOutput) -> None:
        """Keep the moving averages."""
        for name, value in out.keep.items():
            self.get_buffer(name).copy_(value)


def gaussian_weight(confidence: Tensor, mean: Tensor, variance: Tensor, sigmas: float) -> Tensor:
    """(B,) in (0, 1]: exp(-min(confidence - mean, 0)^2 / (2 variance / sigmas^2))."""
    below = (confidence - mean).clamp_max(0.0)
    tiny = torch.finfo(variance.dtype).tiny  # rows that all agree would divide 0 by 0
    return (-below.square() * sigmas**2 / (2.0 * variance).clamp_min(tiny)).exp()
