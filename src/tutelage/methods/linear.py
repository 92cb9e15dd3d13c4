"""Logistic regression on the features of a frozen network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F

from tutelage.core.batch import Progress, StepOutput, SupervisedBatch
from tutelage.core.precision import at_least_float32
from tutelage.core.targets import class_weights
from tutelage.methods.base import Method, Problem
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


class Linear(Method[SupervisedBatch]):
    """Logistic regression on the labeled images.

    loss = sum_i c_y(i) H(y_i, p(x_i)) / sum_i c_y(i), with class weights c of 1, or n / (K n_k) for `balanced`; the L2
    penalty is `optimizer.weight_decay`. A head starts at the exact minimum of this sum over all labeled images, where
    the steps leave it, up to the noise of batches.
    """

    name, evaluated = "linear", "student"
    labeled_views = ("weak",)
    needs_features = True

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings of `linear`."""

        class_weights: Annotated[
            Literal["none", "balanced"], "balanced: weight each label by the inverse frequency of its class"
        ] = "none"

    cfg: Config
    weight: torch.Tensor

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        counts = torch.tensor(problem.labeled_counts)
        weight = class_weights(counts) if cfg.class_weights == "balanced" else torch.ones(len(counts))
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, batch: SupervisedBatch, t: Progress) -> StepOutput:
        x = batch.labeled
        logits = at_least_float32(self.student(x.views[0]))
        loss = F.cross_entropy(logits, x.label, self.weight.to(logits.dtype))
        return StepOutput(loss, {"supervised": loss.detach()})
