"""One class per image: cross-entropy, softmax, and the usual scores."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutelage.core.errors import DataError, NonFiniteError
from tutelage.tasks.base import Metrics, Task
from tutelage.tasks.class_scores import SCORES, Scored, scores_for
from tutelage.tasks.confusion import confusion_counts, confusion_to_json
from tutelage.tasks.own_metrics import OwnMetric


class Classification(Task):
    """Classify whole images into `classes`.

    Args:
        classes: class names, in the order of labels and logits.
        own_metrics: additional scores: functions of (probs, labels).

    Raises:
        DataError: there are fewer than two classes.
    """

    headline = "accuracy"
    columns = MappingProxyType({name: (score.heading, score.form) for name, score in SCORES.items()})

    def __init__(self, classes: Sequence[str], own_metrics: tuple[OwnMetric, ...] = ()) -> None:
        self.classes = tuple(classes)
        if len(self.classes) < 2:
            raise DataError(f"classification needs at least two classes, got {len(self.classes)}: {self.classes}")
        self.add_metrics(own_metrics)

    def loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Scalar: cross-entropy of logits (B, K) and labels (B,) int64, averaged over rows."""
        return F.cross_entropy(logits, label)

    @torch.no_grad()
    def predict(self, network: nn.Module, image: Tensor) -> Tensor:
        """(B, K) float32 probabilities, computed in evaluation mode; afterwards the network's mode is restored."""
        training = [module for module in network.modules() if module.training]
        network.eval()
        try:
            return network(image).float().softmax(1)
        finally:
            for module in training:  # one by one, since parts of the network may have been in evaluation mode
                module.training = True

    def metrics(self) -> ClassificationMetrics:
        """A new, empty collector."""
        return ClassificationMetrics(self.classes, self.own_metrics)


class ClassificationMetrics(Metrics):
    """Keeps all predictions on their device and scores them together."""

    def __init__(self, classes: tuple[str, ...], own_metrics: tuple[OwnMetric, ...] = ()) -> None:
        self.classes, self.own_metrics = classes, own_metrics
        self._probs: list[Tensor] = []
        self._label: list[Tensor] = []

    def update(self, probs: Tensor, label: Tensor) -> None:
        """Add a batch: `probs` (B, K) summing to 1, `label` (B,) int64, -1 for unlabeled rows."""
        self._probs.append(probs.detach())
        self._label.append(label)

    def compute(self) -> dict[str, Any]:
        """All metrics of the labeled rows, ready for JSON; None for metrics that are undefined.

        Returns:
            n: number of rows that were scored.
            accuracy, nll, ...: each of `class_scores.SCORES`; top5_accuracy only with more than five classes.
            per_class: for each class, its precision, recall, f1, and support (number of rows).
            confusion_matrix: counts, with one row per true class and one column per predicted class; with more than
                200 classes `confusion`, the counts that are not zero.
            Each of `own_metrics`, by name.

        Raises:
            DataError: a label is not a class.
            NonFiniteError: a probability is NaN or infinite.
        """
        k = len(self.classes)
        probs = torch.cat([torch.empty(0, k), *(part.float().cpu() for part in self._probs)])
        label = torch.cat([torch.empty(0, dtype=torch.int64), *(part.cpu() for part in self._label)])
        probs, label = probs[label != -1], label[label != -1]
        _check(probs, label, k)
        if not len(label):
            return _no_scores(self.classes) | {metric.name: None for metric in self.own_metrics}
        own = {metric.name: metric(probs, label) for metric in self.own_metrics}
        return _scores(Scored(probs.clamp(0.0, 1.0), label), self.classes) | own


def _check(probs: Tensor, label: Tensor, num_classes: int) -> None:
    unknown = label[(label < 0) | (label >= num_classes)].unique().tolist()
    if unknown:
        raise DataError(f"labels must be in 0..{num_classes - 1} (or -1 for none), got {unknown[:5]}")
    broken = int((~probs.isfinite()).any(1).sum())
    if broken:
        raise NonFiniteError(f"{broken} of {len(probs)} predictions contain NaN or infinity: the network is broken")


def _scores(scored: Scored, classes: tuple[str, ...]) -> dict[str, Any]:
    support, chosen = scored.confusion.sum(1), scored.confusion.sum(0)
    recall, precision, f1 = (scored.by_class[name] for name in ("recall", "precision", "f1"))
    return {
        "n": len(scored.label),
        **{name: score.compute(scored) for name, score in scores_for(len(classes)).items()},
        "per_class": {
            name: {
                "precision": float(precision[c]) if chosen[c] else None,
                "recall": float(recall[c]) if support[c] else None,
                "f1": float(f1[c]) if support[c] + chosen[c] else None,
                "support": int(support[c]),
            }
            for c, name in enumerate(classes)
        },
        **confusion_to_json(scored.confusion),
    }


def _no_scores(classes: tuple[str, ...]) -> dict[str, Any]:
    absent: dict[str, Any] = {"precision": None, "recall": None, "f1": None, "support": 0}
    return {
        "n": 0,
        **dict.fromkeys(scores_for(len(classes))),
        "per_class": {name: dict(absent) for name in classes},
        **confusion_to_json(confusion_counts(np.zeros(0, np.int64), np.zeros(0, np.int64), len(classes))),
    }
