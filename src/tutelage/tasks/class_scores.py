"""The scores of a classifier. To add one, write a function and a line in `SCORES`; tables, JSON and reports follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tutelage.tasks.confusion import confusion_counts

if TYPE_CHECKING:
    from scipy.sparse import csr_array

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
    def confusion(self) -> csr_array:
        """(K, K): counts, with one row per true class and one column per predicted class."""
        return confusion_counts(self.label.numpy(), self.predicted.numpy(), self.num_classes)

    @cached_property
    def by_class(self) -> dict[str, NDArray[np.float64]]:
        """(K,) of each of "precision", "recall" and "f1"; 0 where it is undefined."""
        from sklearn.metrics import precision_recall_fscore_support  # takes a second to import, here and below

        classes = range(self.num_classes)
        found = precision_recall_fscore_support(self.label, self.predicted, labels=classes, zero_division=0.0)
        return dict(zip(("precision", "recall", "f1"), found[:3], strict=True))


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
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(scored.label, scored.predicted))


def top5_accuracy(scored: Scored) -> float:
    """Fraction of rows whose class is among the five most probable."""
    from sklearn.metrics import top_k_accuracy_score

    return float(top_k_accuracy_score(scored.label, scored.probs, k=5, labels=range(scored.num_classes)))


def balanced_accuracy(scored: Scored) -> float:
    """Mean recall over the classes that occur."""
    return float(scored.by_class["recall"][scored.confusion.sum(1) > 0].mean())


def nll(scored: Scored) -> float:
    """Mean negative log-probability of the true class in nats; probabilities are clamped to at least 1.2e-7."""
    right = scored.probs.double().gather(1, scored.label[:, None])
    return float(-right.clamp_min(torch.finfo(torch.float32).eps).log().mean())


def ece(scored: Scored) -> float:
    """Expected calibration error: 15 bins of equal width, mean absolute gap (arXiv:1706.04599)."""
    confidence = scored.probs.amax(1).double().numpy()
    right = (scored.predicted == scored.label).double().numpy()
    (sure, _), (hits, _) = (
        np.histogram(confidence, ECE_BINS, range=(0.0, 1.0), weights=weights) for weights in (confidence, right)
    )
    return float(np.abs(hits - sure).sum() / len(right))


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
