"""MixMatch: guessed and sharpened labels, and MixUp over labeled and unlabeled images together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, PseudoLabels, SemiSupervisedBatch, StepOutput
from tutelage.core.ema import EMATeacher
from tutelage.core.mixup import mix_up
from tutelage.core.precision import at_least_float32
from tutelage.core.schedules import linear_rampup
from tutelage.core.targets import sharpen
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EvaluatedEMAConfig
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


class MixMatch(Method[SemiSupervisedBatch]):
    """MixMatch: Berthelot et al. 2019, arXiv:1905.02249, algorithm 1.

    q = sharpen(mean of p over the two weak views of u, T); W = (weak x, y), (weak u, q), (second weak u, q)
    each row of W is mixed with a random other one: l a + (1 - l) b, image and label, l = max(l', 1 - l'),
    l' ~ Beta(alpha, alpha)
    loss = H(label, p) over mixed labeled rows + w r(t) mean((label - p)^2) over mixed unlabeled rows and classes
    with H the cross-entropy, p the student's class probabilities, sharpen(p, T) = p^(1/T) / sum p^(1/T), and r a linear
    ramp-up from 0 to 1. The student guesses, in training mode; its moving average is what is evaluated.
    """

    name, evaluated = "mixmatch", "teacher"
    labeled_views, unlabeled_views = ("weak",), ("weak", "weak")
    teacher: EMATeacher

    @dataclass(frozen=True, kw_only=True)
    class Config(EvaluatedEMAConfig):
        """Settings of `mixmatch`; the defaults are those of the paper for CIFAR-10."""

        temperature: Annotated[float, "T, temperature of the sharpening; 1 does not sharpen"] = 0.5
        mixup_alpha: Annotated[float, "alpha; near 0 hardly mixes, large values mix half and half"] = 0.75
        mixup_draw: Annotated[Literal["row", "batch"], "one mixing share for each row, or one for the whole batch"] = (
            "row"
        )
        unlabeled_weight: Annotated[float, "w, after the ramp-up; for errors averaged over classes"] = 75.0
        rampup: Annotated[float, "length of the linear ramp-up, as a share of training"] = 1 / 64

        def __post_init__(self) -> None:
            super().__post_init__()
            require(self.temperature > 0, "method.temperature", "above 0", self.temperature)
            require(self.mixup_alpha > 0, "method.mixup_alpha", "above 0", self.mixup_alpha)
            require(self.unlabeled_weight >= 0, "method.unlabeled_weight", "at least 0", self.unlabeled_weight)
            require(0.0 <= self.rampup <= 1.0, "method.rampup", "in [0, 1]", self.rampup)

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers=cfg.ema_buffers)

    def pseudo_label_weight(self, probs: Tensor) -> Tensor:
        """(B,): 1 for every row of `probs` (B, K): there is no threshold."""
        return torch.ones_like(probs[:, 0])

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u, cfg = batch.labeled, batch.unlabeled, self.cfg
        with torch.no_grad():
            probs = at_least_float32(self.student(torch.cat(u.views))).softmax(1)
            guess = sharpen(torch.stack(probs.chunk(2)).mean(0), cfg.temperature)

        label = torch.cat([F.one_hot(x.label, self.problem.num_classes).to(guess), guess, guess])
        images, label = mix_up(torch.cat([x.views[0], *u.views]), label, cfg.mixup_alpha, cfg.mixup_draw)
        logits = at_least_float32(self.student(images))  # one pass, so that batch norm sees all mixed rows
        supervised = F.cross_entropy(logits[: len(x)], label[: len(x)])
        unsupervised = (label[len(x) :] - logits[len(x) :].softmax(1)).square().mean()
        weight = cfg.unlabeled_weight * linear_rampup(t.step, cfg.rampup * t.total)
        unlabeled = weight * unsupervised
        log: Log = {
            "supervised": supervised.detach(),
            "unsupervised": unsupervised.detach(),
            "unlabeled_weight": weight,
        }
        pseudo_labels = PseudoLabels(guess.argmax(1), self.pseudo_label_weight(guess))
        return StepOutput(supervised + unlabeled, log, pseudo_labels=pseudo_labels, unlabeled_loss=unlabeled.detach())
