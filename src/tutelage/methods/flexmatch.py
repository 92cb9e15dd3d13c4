"""FlexMatch: FixMatch with a threshold for each class that grows as the class is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, PseudoLabels, SemiSupervisedBatch, StepOutput
from tutelage.core.distributed import rows_of_all_ranks
from tutelage.core.ema import EMATeacher
from tutelage.core.precision import at_least_float32
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EvaluatedEMAConfig
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


class FlexMatch(Method[SemiSupervisedBatch]):
    """FlexMatch: Zhang et al. 2021, arXiv:2110.08263.

    loss = H(y, p(weak x)) + lambda_u mean(1[max p(weak u) >= tau_c] H(c, p(strong u))), c = argmax p(weak u),
    with tau_c = tau b_c / (2 - b_c) and b_c = n_c / max(n_1, ..., n_K, n_none). n_c counts the unlabeled rows whose
    latest prediction of at least tau (the full one) was class c, and n_none the rows that never had one. So all pass at
    the start, and the class that is learned best ends at tau. All else is FixMatch.
    """

    name, evaluated = "flexmatch", "teacher"
    labeled_views, unlabeled_views = ("weak",), ("weak", "strong")
    teacher: EMATeacher
    latest: Tensor
    progress: Tensor

    @dataclass(frozen=True, kw_only=True)
    class Config(EvaluatedEMAConfig):
        """Settings of `flexmatch`."""

        threshold: Annotated[float, "tau, the confidence that counts as learned, and the highest threshold"] = 0.95
        count_unused: Annotated[bool, "n_none in the denominator: thresholds stay low until many rows are learned"] = (
            True
        )
        unlabeled_weight: Annotated[float, "lambda_u"] = 1.0

        def __post_init__(self) -> None:
            super().__post_init__()
            require(0.0 <= self.threshold <= 1.0, "method.threshold", "in [0, 1]", self.threshold)
            require(self.unlabeled_weight >= 0, "method.unlabeled_weight", "at least 0", self.unlabeled_weight)

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers=cfg.ema_buffers)
        self.register_buffer("latest", torch.full((problem.train_rows,), -1))  # class of each row, -1 before the first
        self.register_buffer("progress", torch.zeros(problem.num_classes))  # b

    def pseudo_label_weight(self, probs: Tensor) -> Tensor:
        """(B,): 1 where the largest of `probs` (B, K) reaches the threshold of its class, else 0."""
        confidence, label = probs.max(1)
        return (confidence >= self._thresholds()[label]).float()

    def _thresholds(self) -> Tensor:
        return self.cfg.threshold * self.progress / (2.0 - self.progress)  # the paper's convex mapping

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u = batch.labeled, batch.unlabeled
        logits = self.student(torch.cat([x.views[0], *u.views]))  # one pass, so that batch norm sees all rows
        logits_x, logits_weak, logits_strong = torch.split(at_least_float32(logits), [len(x), len(u), len(u)])
        probs = logits_weak.detach().softmax(1)
        confidence, pseudo_label = probs.max(1)
        mask = self.pseudo_label_weight(probs)

        supervised = self.task.loss(logits_x, x.label)
        unsupervised = (F.cross_entropy(logits_strong, pseudo_label, reduction="none") * mask).mean()
        unlabeled = self.cfg.unlabeled_weight * unsupervised
        log: Log = {
            "supervised": supervised.detach(),
            "unsupervised": unsupervised.detach(),
            "threshold": self._thresholds().mean(),
        }
        learned = torch.where(confidence >= self.cfg.threshold, pseudo_label, -1)
        return StepOutput(
            supervised + unlabeled,
            log,
            keep={"index": u.index, "learned": learned},
            pseudo_labels=PseudoLabels(pseudo_label, mask),
            unlabeled_loss=unlabeled.detach(),
        )

    def remember(self, out: StepOutput) -> None:
        """Note the classes learned in this step; then count them all again."""
        index, learned = rows_of_all_ranks(out.keep["index"]), rows_of_all_ranks(out.keep["learned"])
        rows = self.problem.train_rows
        # A batch across the end of a pass may hold a row twice: its last one counts, on every device.
        target = torch.where(learned >= 0, index, rows)
        position = torch.arange(len(index), device=index.device)
        last = torch.full((rows + 1,), -1, device=index.device).scatter_reduce(0, target, position, "amax")[:rows]
        self.latest.copy_(torch.where(last >= 0, learned[last], self.latest))

        counts = self.progress.new_zeros(self.problem.num_classes + 1)
        counts = counts.index_add(0, self.latest + 1, torch.ones_like(self.latest, dtype=counts.dtype))[1:]
        most = counts.max()
        if self.cfg.count_unused:
            most = torch.maximum(most, self.problem.unlabeled_rows - counts.sum())
        self.progress.copy_(counts / most.clamp_min(1.0))
