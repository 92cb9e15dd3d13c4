"""Features for later use: the task of pretraining without labels."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn

from tutelage.core.contrast import effective_rank, feature_spread
from tutelage.core.neighbors import knn_scores
from tutelage.networks.base import Network
from tutelage.tasks.base import Metrics, Task

FOLDS = 5


class Representation(Task):
    """Learn features from images alone. Labels, if there are any, are only used to measure their quality.

    Args:
        classes: class names, in the order of labels; empty if no image has a label.
    """

    headline = "knn_accuracy"
    columns = MappingProxyType(
        {
            "knn_accuracy": ("kNN accuracy", "{:.1%}"),
            "effective_rank": ("effective rank", "{:.1f}"),
            "feature_spread": ("spread", "{:.3f}"),
        }
    )

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)

    def loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Not available: this task has no supervised loss.

        Raises:
            TypeError: always; a method that needs this loss does not learn without labels.
        """
        raise TypeError("features are learned without labels, so there is no supervised loss")

    @torch.no_grad()
    def predict(self, network: nn.Module, image: Tensor) -> Tensor:
        """(B, F) float32: unnormalized features, computed in evaluation mode; afterwards the mode is restored."""
        training = [module for module in network.modules() if module.training]
        network.eval()
        try:
            return cast(Network, network).features(image).float()
        finally:
            for module in training:  # one by one, since parts of the network may have been in evaluation mode
                module.training = True

    def metrics(self) -> NeighborMetrics:
        """A new, empty collector."""
        return NeighborMetrics(len(self.classes))


class NeighborMetrics(Metrics):
    """Keeps features and labels, and scores the features by their nearest neighbors.

    Args:
        bank: features (N, F) and classes (N,) of other labeled images, among which neighbors are searched. Without it,
            each fifth of the rows is compared with the other four.
    """

    def __init__(self, num_classes: int, bank: tuple[Tensor, Tensor] | None = None) -> None:
        self.num_classes, self.bank = num_classes, bank
        self._features: list[Tensor] = []
        self._label: list[Tensor] = []

    def update(self, probs: Tensor, label: Tensor) -> None:
        """Add a batch: `probs` are features (B, F), `label` (B,) int64 without -1."""
        self._features.append(probs.detach().float().cpu())
        self._label.append(label.cpu())

    def predicted(self) -> Tensor:
        """(n,) int64: the class predicted by the neighbors of each row (k = 200, T = 0.1, arXiv:1805.01978)."""
        features, label = torch.cat(self._features), torch.cat(self._label)
        if self.bank is not None:
            return knn_scores(features, *self.bank, self.num_classes).argmax(1)
        predicted = torch.empty_like(label)
        fold = torch.arange(len(label)) % FOLDS  # rows are grouped by class, so each fold has its share
        for number in range(FOLDS):
            others = fold != number
            scores = knn_scores(features[~others], features[others], label[others], self.num_classes)
            predicted[~others] = scores.argmax(1)
        return predicted

    def compute(self) -> dict[str, Any]:
        """All metrics of the collected features, ready for JSON.

        Returns:
            n: number of rows that were scored.
            knn_accuracy: fraction of rows whose neighbors predict the correct class.
            effective_rank: number of directions in which the features vary, see `effective_rank`.
            feature_spread: 0 if all features point in the same direction, see `feature_spread`.
        """
        label, features = torch.cat(self._label), torch.cat(self._features)
        return {
            "n": len(label),
            "knn_accuracy": float((self.predicted() == label).float().mean()),
            "effective_rank": float(effective_rank(features)),
            "feature_spread": float(feature_spread(features)),
        }
