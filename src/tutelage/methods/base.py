"""What every method is: a module whose forward pass is its loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

from torch import Tensor, nn

from tutelage.core.batch import Batch, Progress, StepOutput
from tutelage.core.ema import EMATeacher
from tutelage.core.feature_bank import FeatureBank
from tutelage.networks.base import Network
from tutelage.tasks.base import Task

B = TypeVar("B", bound=Batch)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a method knows about the data before the first step.

    `train_rows` bounds `Samples.index`; a stream's batch size is that of all ranks together; `labeled_counts` are the
    labeled rows of each class, `num_classes` of them.
    """

    num_classes: int
    train_rows: int
    labeled_rows: int
    unlabeled_rows: int
    labeled_batch: int
    unlabeled_batch: int
    labeled_counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """The settings of a method that has none."""


class Method(nn.Module, ABC, Generic[B]):
    """A way to learn from both streams, or from one of them: `B` says which, e.g. `Method[SemiSupervisedBatch]`.

    The loop calls, at each step and in this order: `forward`, backward, the optimizer, `teacher.update` (the only
    place where a teacher changes), `remember`. `forward` reads the method's state and writes none of it, but for the
    batch-norm statistics that a forward pass in training mode moves.

    Attributes:
        name: what users pass to `--method`.
        Config: a frozen dataclass of its settings, from which the flags `--method.*` follow.
        tasks: names of the kinds of answer that the method can learn.
        deep_supervision: whether it learns from the coarser maps of a network that has them.
        evaluated: which network is scored, exported and used to predict.
        labeled_views, unlabeled_views: the names of the views that `forward` expects, in order; a setting may change
            how many an unlabeled image has, so that the method that was built knows best.
        needs_features: whether it trains a head on the cached features of a frozen backbone, and nothing else.
        policy: the learned augmentation policy of a strong view, if there is one. It lies here so that checkpoints hold
            it; no method looks at it.
    """

    name: ClassVar[str]
    Config: ClassVar[type] = NoSettings
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    deep_supervision: ClassVar[bool] = False
    evaluated: ClassVar[Literal["student", "teacher"]]
    labeled_views: ClassVar[tuple[str, ...]] = ()
    unlabeled_views: tuple[str, ...] = ()
    needs_features: ClassVar[bool] = False

    student: Network
    teacher: EMATeacher | None

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Any) -> None:
        super().__init__()
        self.student, self.task, self.problem, self.cfg = student, task, problem, cfg
        self.teacher = None
        self.policy: nn.Module | None = None

    @abstractmethod
    def forward(self, batch: B, t: Progress) -> StepOutput:
        """The loss of a step."""

    @classmethod
    def features_fault(cls, cfg: Any) -> str | None:
        """Why it cannot train a head on cached features with the settings `cfg`; None if it can."""
        return None

    def prepare(self, bank: FeatureBank) -> None:
        """Called before the first step, and again when a run is resumed, if the inputs are cached features.

        What is kept of `bank` is not part of the state dict, since it is the same each time.
        """

    def remember(self, out: StepOutput) -> None:
        """Write what the next steps need of this one into registered buffers."""

    def pseudo_label_weight(self, probs: Tensor) -> Tensor | None:
        """(B,) in [0, 1]: how much a pseudo-label made from `probs` (B, K) counts; None if the method makes none."""
        return None

    def guess(self, probs: Tensor) -> Tensor:
        """(B, K): the scores whose largest is the pseudo-label: `probs`, or what the method makes of them."""
        return probs

    @property
    def predictor(self) -> nn.Module:
        """The network that is scored, exported and used to predict."""
        if self.evaluated == "teacher" and self.teacher is not None:
            return self.teacher.network
        return self.student
