"""The scores of a classifier. To add one, write a function and a line in `SCORES`; tables, JSON and reports follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

ECE_BINS = 15


@dataclass(frozen=True)
class Scored:
    """The predictions and labels from which scores are computed.

    Attributes:
        probs: (N, K) float32 in [0, 1], with N > 0.
        label: (N,) int64, classes in 0..K-1.
    """

    probs: Tensor
    label: Tensor

    @property
    def num_classes(self) -> int:
        """K."""
        return self.probs.shape[1]

    @cached_property
    def predicted(self) -> Tensor:
        """(N,) int64: the most probable class of each row."""
        return self.probs.argmax(1)

    @cached_property
    def confusion(self) -> Tensor:
        """(K, K) int64: counts, with one row per true class and one column per predicted class."""
        # torchmetrics is slow to import, so this is done in functions.
        from torchmetrics.functional import classification

        return classification.multiclass_confusion_matrix(self.predicted, self.label, num_classes=self.num_classes)

    def by_class(self, name: str) -> Tensor:
        """(K,) float32: torchmetrics' "recall", "precision" or "f1_score" per class."""
        from torchmetrics.functional import classification

        score = getattr(classification, f"multiclass_{name}")
        per_class: Tensor = score(self.predicted, self.label, num_classes=self.num_classes, average="none")
        return per_class


@dataclass(frozen=True)
class ClassScore:
    """One number that measures how good predictions are.

    Attributes:
        compute: computes the number from predictions and labels.
        heading: of its column in tables.
        share: whether it is a fraction, shown in percent.
        more_classes_than: the score is left out if there are this many classes or fewer.
    """

    compute: Callable[[Scored], float]
    heading: str
    share: bool = False
    more_classes_than: int = 0

    @property
    def form(self) -> str:
        """Its format in tables."""
        return "{:.1%}" if self.share else "{:.3f}"

    @property
    def precise_form(self) -> str:
        """The same format with one more digit, for the result of one model."""
        return "{:.2%}" if self.share else "{:.4f}"


def accuracy(scored: Scored) -> float:
    """Fraction of rows whose most probable class is correct."""
    from torchmetrics.functional import classification

    k = scored.num_classes
    return float(classification.multiclass_accuracy(scored.predicted, scored.label, num_classes=k, average="micro"))


def top5_accuracy(scored: Scored) -> float:
    """Fraction of rows whose class is among the five most probable."""
    from torchmetrics.functional import classification

    k = scored.num_classes
    top = classification.multiclass_accuracy(scored.probs, scored.label, num_classes=k, top_k=5, average="micro")
    return float(top)


def balanced_accuracy(scored: Scored) -> float:
    """Mean recall over the classes that occur."""
    return float(scored.by_class("recall")[scored.confusion.sum(1) > 0].mean())


def nll(scored: Scored) -> float:
    """Mean negative log-probability of the true class in nats; probabilities are clamped to at least 1.2e-7."""
    right = scored.probs.double().gather(1, scored.label[:, None])
    return float(-right.clamp_min(torch.finfo(torch.float32).eps).log().mean())


def ece(scored: Scored) -> float:
    """Expected calibration error: 15 bins of equal width, mean absolute gap (arXiv:1706.04599)."""
    from torchmetrics.functional import classification

    k = scored.num_classes
    error = classification.multiclass_calibration_error(
        scored.probs, scored.label, num_classes=k, n_bins=ECE_BINS, norm="l1"
    )
    return float(error)


SCORES: dict[str, ClassScore] = {
    "accuracy": ClassScore(accuracy, "accuracy", share=True),
    "top5_accuracy": ClassScore(top5_accuracy, "top-5", share=True, more_classes_than=5),
    "balanced_accuracy": ClassScore(balanced_accuracy, "balanced", share=True),
    "nll": ClassScore(nll, "NLL"),
    "ece": ClassScore(ece, "ECE"),
}


def scores_for(num_classes: int) -> dict[str, ClassScore]:
    """The scores that are meaningful for this many classes."""
    return {name: score for name, score in SCORES.items() if num_classes > score.more_classes_than}
