"""What the heads share that assign soft labels to all images before training, from their features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tutelage.core.batch import Progress, SemiSupervisedBatch, StepOutput
from tutelage.core.feature_bank import FeatureBank
from tutelage.core.losses import soft_cross_entropy
from tutelage.core.precision import at_least_float32
from tutelage.methods.base import Method, Problem
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


class SoftTargets(Method[SemiSupervisedBatch]):
    """A linear head that learns soft labels q, which `prepare` assigns to the rows of both streams.

    loss = mean H(q(u), p(u)). Where the unlabeled stream has no labeled images, these are learned by their labels: with
    n labeled and m unlabeled images, loss = (m mean H(q(u), p(u)) + n mean H(y, p(x))) / (m + n).
    """

    evaluated = "student"
    labeled_views, unlabeled_views = ("weak",), ("weak",)
    needs_features = True

    soft: Tensor
    beside: float  # share of the images that are labeled and not in the unlabeled stream

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Any) -> None:
        super().__init__(student, task, problem, cfg)
        uniform = torch.full((problem.train_rows, problem.num_classes), 1.0 / problem.num_classes)
        self.register_buffer("soft", uniform, persistent=False)  # (N, K), q of each row
        self.beside = 0.0

    def rows_of(self, bank: FeatureBank) -> Tensor:
        """The sorted rows of both streams."""
        rows: Tensor = torch.unique(torch.cat([bank.labeled, bank.unlabeled]))
        return rows

    def assign(self, bank: FeatureBank, rows: Tensor, soft: Tensor) -> None:
        """Let q of `rows` (n,), those of both streams, be `soft` (n, K)."""
        self.soft[rows] = soft.to(self.soft)
        self.beside = 1.0 - len(bank.unlabeled) / len(rows)

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u = batch.labeled, batch.unlabeled
        logits = at_least_float32(self.student(torch.cat([x.views[0], u.views[0]])))
        logits_x, logits_u = torch.split(logits, [len(x), len(u)])
        label_loss = self.task.loss(logits_x, x.label)
        unsupervised = soft_cross_entropy(logits_u, self.soft[u.index].to(logits_u.dtype)).mean()
        log = {"label_loss": label_loss.detach(), "unsupervised": unsupervised.detach()}
        loss = unsupervised  # which learns the labels too, as part of q, if their rows are in the unlabeled stream
        if self.beside:
            loss = (1.0 - self.beside) * unsupervised + self.beside * label_loss
        return StepOutput(loss, dict(log), unlabeled_loss=((1.0 - self.beside) * unsupervised).detach())
