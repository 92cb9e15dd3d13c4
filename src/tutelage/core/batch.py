"""What a method is given at each step, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

Log = dict[str, Tensor | float]
"""Named scalars of a step."""

UNLABELED_LOSS = "unlabeled_loss"
"""Name of the column of the log that holds `StepOutput.unlabeled_loss`."""


@dataclass
class Samples:
    """One stream of a step, collated. `len()` is its number of rows, B.

    Attributes:
        views: in the order the method asked for, each (B, C, *S) float32, standardized.
        index: (B,) int64, the row of the training set that each sample is.
        label: (B,) or (B, *S) int64, or None in the unlabeled stream: an unlabeled item has no label to look at.
        extra: further numbers per row. Where CTAugment learns, the labeled stream has its probes: "probe" (B, C, *S),
            "probe_op" and "probe_level".
    """

    views: tuple[Tensor, ...]
    index: Tensor
    label: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.index.shape[0]

    def to(self, device: torch.device) -> Self:
        """The same samples on `device`."""
        return replace(
            self,
            views=tuple(view.to(device, non_blocking=True) for view in self.views),
            index=self.index.to(device, non_blocking=True),
            label=None if self.label is None else self.label.to(device, non_blocking=True),
            extra={name: value.to(device, non_blocking=True) for name, value in self.extra.items()},
        )


@dataclass
class Labeled(Samples):
    """A stream with a label for each row."""

    label: Tensor


@dataclass
class Unlabeled(Samples):
    """A stream without labels."""

    label: None = None


@dataclass
class Batch:
    """Both streams of a step; a method without one of them gets None there.

    A method says by one of the types below which streams it declared, so that type checkers know what is not None.
    """

    labeled: Labeled | None
    unlabeled: Unlabeled | None


@dataclass
class SupervisedBatch(Batch):
    """What a method with labeled views alone gets."""

    labeled: Labeled
    unlabeled: None


@dataclass
class SemiSupervisedBatch(Batch):
    """What a method with labeled and unlabeled views gets."""

    labeled: Labeled
    unlabeled: Unlabeled


@dataclass
class SelfSupervisedBatch(Batch):
    """What a method with unlabeled views alone gets."""

    labeled: None
    unlabeled: Unlabeled


def batch_of(labeled: Samples | None, unlabeled: Samples | None) -> Batch:
    """The batch of two streams, of the class that says which of them there are.

    Raises:
        ValueError: there is none, or the labeled stream has no labels.
    """
    x = u = None
    if labeled is not None:
        if labeled.label is None:
            raise ValueError("the labeled stream needs labels, got None")
        x = Labeled(labeled.views, labeled.index, labeled.label, labeled.extra)
    if unlabeled is not None:
        u = Unlabeled(unlabeled.views, unlabeled.index, extra=unlabeled.extra)
    if x is not None and u is not None:
        return SemiSupervisedBatch(x, u)
    if x is not None:
        return SupervisedBatch(x, None)
    if u is not None:
        return SelfSupervisedBatch(None, u)
    raise ValueError("a batch needs a labeled stream, an unlabeled one, or both")


@dataclass(frozen=True)
class Progress:
    """Where training is: `step` optimizer steps are done, of `total`."""

    step: int
    total: int


@dataclass
class PseudoLabels:
    """The pseudo-labels of a step's unlabeled rows.

    Attributes:
        label: (B_u,) int64.
        weight: (B_u,) in [0, 1]: how much each counts in the loss; 0 is below the threshold.
    """

    label: Tensor
    weight: Tensor


@dataclass
class StepOutput:
    """What `Method.forward` returns.

    Attributes:
        loss: scalar, to be minimized.
        log: named scalars for the log; kept on the device until a log line is written.
        keep: what `Method.remember` writes into the method's state after the optimizer step.
        pseudo_labels: for the log of their health; None where the method makes none.
        unlabeled_loss: the part of `loss` that needs no labels, weighted and ramped up as it enters `loss`, without
            gradient; None where the method learns from labels alone.
    """

    loss: Tensor
    log: Log
    keep: dict[str, Tensor] = field(default_factory=dict)
    pseudo_labels: PseudoLabels | None = None
    unlabeled_loss: Tensor | None = None

    def logged(self) -> Log:
        """What a log line averages: the loss, its unlabeled part if there is one, and `log`."""
        unlabeled = {} if self.unlabeled_loss is None else {UNLABELED_LOSS: self.unlabeled_loss.detach()}
        return {"loss": self.loss.detach(), **unlabeled, **self.log}
