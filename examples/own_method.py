"""A method of your own: FixMatch with a soft threshold. Train it on the bundled digits with `python own_method.py`."""

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

import tutelage
from tutelage import EMAConfig, EMATeacher, Method, Problem, Progress, PseudoLabels, StepOutput, at_least_float32


class SoftThreshold(Method[tutelage.SemiSupervisedBatch]):
    """FixMatch whose pseudo-labels count in proportion to confidence, rather than only above a threshold.

    loss = H(y, p(weak x)) + w mean(c^s H(argmax p(weak u), p(strong u))), c = max p(weak u)
    with H the cross-entropy and p the student's class probabilities. The moving average of the student is evaluated.
    """

    name, evaluated = "soft-threshold", "teacher"
    labeled_views, unlabeled_views = ("weak",), ("weak", "strong")

    @dataclass(frozen=True, kw_only=True)
    class Config(EMAConfig):
        """Settings of `soft-threshold`: each is a flag, e.g. --method.sharpness 4."""

        unlabeled_weight: Annotated[float, "w"] = 1.0
        sharpness: Annotated[float, "s: 0 counts all alike, a large value counts only the most confident"] = 8.0
        ema_decay: Annotated[float, "decay of the evaluated average"] = 0.99  # the images are few, the training short

    cfg: Config

    def __init__(self, student: tutelage.Network, task: tutelage.Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.ema_decay, warmup=cfg.ema_warmup, buffers="copy")

    def pseudo_label_weight(self, probs: Tensor) -> Tensor:
        """(B,) in [0, 1]: how much the pseudo-labels made from `probs` (B, K) count."""
        return probs.amax(1) ** self.cfg.sharpness

    def forward(self, batch: tutelage.SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u = batch.labeled, batch.unlabeled
        logits = self.student(torch.cat([x.views[0], *u.views]))  # one pass, so that batch norm sees all rows
        logits_x, logits_weak, logits_strong = torch.split(at_least_float32(logits), [len(x), len(u), len(u)])
        probs = logits_weak.detach().softmax(1)
        pseudo_label, weight = probs.argmax(1), self.pseudo_label_weight(probs)
        supervised = self.task.loss(logits_x, x.label)
        unsupervised = (F.cross_entropy(logits_strong, pseudo_label, reduction="none") * weight).mean()
        unlabeled = self.cfg.unlabeled_weight * unsupervised
        log: dict[str, Tensor | float] = {"supervised": supervised.detach(), "unsupervised": unsupervised.detach()}
        pseudo_labels = PseudoLabels(pseudo_label, weight)
        return StepOutput(supervised + unlabeled, log, pseudo_labels=pseudo_labels, unlabeled_loss=unlabeled.detach())


if __name__ == "__main__":
    # By its import path, which the run records: `__main__` names whatever script is running.
    run = tutelage.train("digits", out="runs/own-method", method="own_method:SoftThreshold", label_count=40, steps=400)
    print(run.metrics["test"]["teacher"]["accuracy"])
