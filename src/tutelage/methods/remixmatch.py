"""ReMixMatch: one aligned guess from a weak view for several strong ones, MixUp, and rotations to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, PseudoLabels, SemiSupervisedBatch, StepOutput
from tutelage.core.ema import EMATeacher
from tutelage.core.mixup import mix_up
from tutelage.core.precision import at_least_float32
from tutelage.core.schedules import linear_rampup
from tutelage.core.targets import Alignment, sharpen
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EvaluatedEMAConfig
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


class ReMixMatch(Method[SemiSupervisedBatch]):
    """ReMixMatch: Berthelot et al. 2020, arXiv:1911.09785, algorithm 1.

    q = sharpen(p(weak u) p(y) / p~ made to sum to 1, T); W = (strong x, y), (weak u, q), (each strong u, q)
    each row of W is mixed with a random other one: l a + (1 - l) b, image and label, l = max(l', 1 - l'),
    l' ~ Beta(alpha, alpha)
    loss = H over mixed labeled rows + w r(t) H over mixed unlabeled rows + w_1 r(t) H(q, p(first strong u))
    + w_rot H(quarter turns, rotation head(first strong u, turned))
    with H the mean cross-entropy, p the student's class probabilities, p(y) the class frequencies of the labeled
    images, p~ the mean prediction of the last `alignment_steps`, sharpen(p, T) = p^(1/T) / sum p^(1/T), and r a linear
    ramp-up from 0 to 1. The moving average of the student is evaluated; it guesses no labels.

    The paper's strong view is CTAugment's: `augment.strong.policy = "ctaugment"`.
    """

    name, evaluated = "remixmatch", "teacher"
    labeled_views = ("strong",)
    unlabeled_views: tuple[str, ...] = ("weak", "strong", "strong")
    teacher: EMATeacher

    @dataclass(frozen=True, kw_only=True)
    class Config(EvaluatedEMAConfig):
        """Settings of `remixmatch`; the defaults are those of the paper, but for the number of strong views (8)."""

        strong_views: Annotated[int, "K, strong views of each unlabeled image"] = 2
        alignment_steps: Annotated[
            int,
            "steps over which mean predictions are aligned with the class frequencies of the labels; 0: no alignment",
        ] = 128
        temperature: Annotated[float, "T, temperature of the sharpening; 1 does not sharpen"] = 0.5
        mixup_alpha: Annotated[float, "alpha; near 0 hardly mixes, large values mix half and half"] = 0.75
        unlabeled_weight: Annotated[float, "w, weight of the mixed unlabeled rows, after the ramp-up"] = 1.5
        strong_weight: Annotated[float, "w_1, weight of the unmixed first strong view, after the ramp-up"] = 0.5
        rotation_weight: Annotated[float, "w_rot, weight of predicting rotations; 0 leaves them out"] = 0.5
        rampup: Annotated[float, "length of the linear ramp-up, as a share of training"] = 1 / 64

        def __post_init__(self) -> None:
            super().__post_init__()
            require(1 <= self.strong_views <= 16, "method.strong_views", "in [1, 16]", self.strong_views)
            require(0 <= self.alignment_steps <= 2**20, "method.alignment_steps", "in [0, 2^20]", self.alignment_steps)
            require(self.temperature > 0, "method.temperature", "above 0", self.temperature)
            require(self.mixup_alpha > 0, "method.mixup_alpha", "above 0", self.mixup_alpha)
            for name in ("unlabeled_weight", "strong_weight", "rotation_weight"):
                require(getattr(self, name) >= 0, f"method.{name}", "at least 0", getattr(self, name))
            require(0.0 <= self.rampup <= 1.0, "method.rampup", "in [0, 1]", self.rampup)

    cfg: Config

    @classmethod
    def features_fault(cls, cfg: Config) -> str | None:
        """Features have no quarter turns."""
        return "it turns images, which method.rotation_weight 0 leaves out" if cfg.rotation_weight > 0 else None

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers=cfg.ema_buffers)
        self.unlabeled_views = ("weak", *["strong"] * cfg.strong_views)
        self.rotation_head = nn.Linear(student.head.in_features, 4) if cfg.rotation_weight > 0 else None
        self.alignment = Alignment(problem.labeled_counts, cfg.alignment_steps)

    def pseudo_label_weight(self, probs: Tensor) -> Tensor:
        """(B,): 1 for every row of `probs` (B, K): there is no threshold."""
        return torch.ones_like(probs[:, 0])

    def guess(self, probs: Tensor) -> Tensor:
        """(B, K): `probs` aligned and sharpened."""
        return sharpen(self.alignment(probs), self.cfg.temperature)

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u, cfg = batch.labeled, batch.unlabeled, self.cfg
        # The images as they are go through in one pass, the mixed ones in another: their statistics differ.
        turns = torch.randint(4, (len(u),), device=u.index.device)
        turned = [] if self.rotation_head is None else [rotate(u.views[1], turns)]
        features = self.student.features(torch.cat([*u.views[:2], *turned]))
        logits_weak, logits_strong = at_least_float32(self.student.head(features[: 2 * len(u)])).chunk(2)
        probs = logits_weak.detach().softmax(1)
        guess = self.guess(probs)

        label = torch.cat([F.one_hot(x.label, self.problem.num_classes).to(guess), *[guess] * len(u.views)])
        images, label = mix_up(torch.cat([x.views[0], *u.views]), label, cfg.mixup_alpha)
        logits = at_least_float32(self.student(images))
        supervised = F.cross_entropy(logits[: len(x)], label[: len(x)])
        unsupervised = F.cross_entropy(logits[len(x) :], label[len(x) :])
        strong = F.cross_entropy(logits_strong, guess)
        ramp = linear_rampup(t.step, cfg.rampup * t.total)
        unlabeled = ramp * (cfg.unlabeled_weight * unsupervised + cfg.strong_weight * strong)
        log: Log = {"supervised": supervised.detach(), "unsupervised": unsupervised.detach(), "strong": strong.detach()}
        if self.rotation_head is not None:
            rotation = F.cross_entropy(at_least_float32(self.rotation_head(features[2 * len(u) :])), turns)
            unlabeled = unlabeled + cfg.rotation_weight * rotation
            log["rotation"] = rotation.detach()
        return StepOutput(
            supervised + unlabeled,
            {**log, "ramp": ramp},
            keep={"predicted": probs.mean(0)},
            pseudo_labels=PseudoLabels(guess.argmax(1), self.pseudo_label_weight(guess)),
            unlabeled_loss=unlabeled.detach(),
        )

    def remember(self, out: StepOutput) -> None:
        """Keep the mean prediction of the step, for alignment."""
        self.alignment.remember(out.keep["predicted"])


def rotate(images: Tensor, turns: Tensor) -> Tensor:
    """(B, C, H, H): each image turned counterclockwise by its number of quarter turns, `turns` (B,) in 0 to 3."""
    every_turn = torch.stack([images.rot90(quarter, (2, 3)) for quarter in range(4)])
    return every_turn[turns, torch.arange(len(images), device=images.device)]
