"""Several heads on each backbone vote on the unlabeled images, and a new head learns the votes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tutelage.config.settings import require
from tutelage.core.class_means import mean_probs, refined_means
from tutelage.core.feature_bank import FeatureBank
from tutelage.core.label_graph import neighbor_graph, propagate
from tutelage.core.logistic import fit_logistic
from tutelage.core.soft_head import fit_soft_head
from tutelage.core.targets import class_weights
from tutelage.methods.base import Problem
from tutelage.methods.soft_targets import SoftTargets
from tutelage.networks.base import Network
from tutelage.tasks.base import Task

_NEIGHBORS, _GAMMA, _TEMPERATURE, _ROUNDS, _L2 = 10, 3.0, 0.1, 10, 0.08


class Committee(SoftTargets):
    """Committee: V-PET, Zhang et al. 2025, arXiv:2503.09707, with heads on frozen features in place of PEFT variants.

    loss = mean H(q(u), p(u)), with q the mean over backbones and heads of their one-hot votes for an unlabeled image,
    and the label, one-hot, of a labeled one. The heads of each backbone are logistic regression, label propagation, a
    soft head (SoftMatch's weights), and refined class means. Where the unlabeled stream has no labeled images, these
    are learned by their labels: with n labeled and m unlabeled images,
    loss = (m mean H(q(u), p(u)) + n mean H(y, p(x))) / (m + n).

    Deviations: V-PET tunes each backbone with several PEFT methods (LoRA, AdaptFormer), which learn from the labels
    alone, and trains a backbone on the votes. Here all heads are on frozen features, three of four learn from the
    unlabeled images too, and a linear head on the features of all backbones learns the votes.
    """

    name = "committee"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings of `committee`."""

        votes: Annotated[
            Literal["one-hot", "soft"],
            "what is averaged: the class that each head predicts, or its probabilities (ours)",
        ] = "one-hot"
        soft_steps: Annotated[int, "training steps of each soft head"] = 150

        def __post_init__(self) -> None:
            require(self.soft_steps >= 1, "method.soft_steps", "at least 1", self.soft_steps)

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.seed = int(torch.randint(2**31, ()))  # of the soft heads; follows from that of the run

    def prepare(self, bank: FeatureBank) -> None:
        """Let the heads of each backbone vote on the rows of both streams."""
        classes = self.problem.num_classes
        rows = self.rows_of(bank)
        labeled = torch.searchsorted(rows, bank.labeled)
        draw = torch.Generator().manual_seed(self.seed)
        votes = [probs for block in bank.blocks for probs in self._heads(block[rows], labeled, bank.label, draw)]
        if self.cfg.votes == "one-hot":
            votes = [F.one_hot(probs.argmax(1), classes).to(probs.dtype) for probs in votes]
        self.assign(bank, rows, torch.stack(votes).mean(0))
        self.soft[bank.labeled] = F.one_hot(bank.label, classes).to(self.soft)

    def _heads(self, features: Tensor, labeled: Tensor, label: Tensor, draw: torch.Generator) -> Iterator[Tensor]:
        """(N, K): the class probabilities of each head for the features (N, D) of one backbone."""
        classes, known = self.problem.num_classes, features[labeled]
        weights = class_weights(torch.bincount(label, minlength=classes))[label]
        every = torch.arange(len(features), device=features.device)
        unlabeled = every[~torch.isin(every, labeled)]
        weight, bias = fit_logistic(known, label, classes, l2=_L2, row_weights=weights)
        yield (features @ weight.T + bias).softmax(1)
        graph = neighbor_graph(features, k=_NEIGHBORS, gamma=_GAMMA)
        yield propagate(graph, labeled.cpu(), label.cpu(), classes).to(features.device)
        weight, bias = fit_soft_head(
            features,
            labeled,
            label,
            unlabeled if len(unlabeled) else every,
            classes,
            steps=self.cfg.soft_steps,
            l2=_L2,
            generator=draw,
            row_weights=weights,
        )
        yield (features @ weight.T + bias).softmax(1)
        means = refined_means(known, label, features[unlabeled], classes, temperature=_TEMPERATURE, rounds=_ROUNDS)
        yield mean_probs(features, means, temperature=_TEMPERATURE)
