"""Features that later answers are made from: what pretraining without labels is about."""

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
    """Learn features from images alone; labels, where there are any, only tell how good these are.

    Args:
        classes: of the labels, in their order; none where no image has one.
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
        """There is none.

        Raises:
            TypeError: always; a method that asks for it does not learn without labels.
        """
        raise TypeError("features are learned without labels, so there is no loss of labels")

    @torch.no_grad()
    def predict(self, network: nn.Module, image: Tensor) -> Tensor:
        """(B, F) float32: the features, not normalized; the network is in evaluation mode meanwhile, then as it was."""
        training = [module for module in network.modules() if module.training]
        network.eval()
        try:
            return cast(Network, network).features(image).float()
        finally:
            for module in training:  # one by one, since parts of the network may have been in evaluation mode
                module.training = True

    def metrics(self) -> NeighborMetrics:
        """A fresh collector."""
        return NeighborMetrics(len(self.classes))


class NeighborMetrics(Metrics):
    """Keeps features and labels, and scores the features by their neighbors in a bank, or among themselves.

    Args:
        bank: features (N, F) and classes (N,) of other labeled images. Without it each fifth of the rows is judged by
            the other four.
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
        """(n,) int64: the class that the neighbors of each row speak for (k = 200, T = 0.1, arXiv:1805.01978)."""
        features, label = torch.cat(self._features), torch.cat(self._label)
        if self.bank is not None:
            return knn_scores(features, *self.bank, self.num_classes).argmax(1)
        predicted = torch.empty_like(label)
        fold = torch.arange(len(label)) % FOLDS  # rows of a class lie together, so that each fold has its share
        for number in range(FOLDS):
            others = fold != number
            scores = knn_scores(features[~others], features[others], label[others], self.num_classes)
            predicted[~others] = scores.argmax(1)
        return predicted

    def compute(self) -> dict[str, Any]:
        """All metrics of what was added, ready for JSON.

        Returns:
            n: rows that were scored.
            knn_accuracy: share of rows whose neighbors speak for the right class.
            effective_rank: directions that the features vary in, see `effective_rank`.
            feature_spread: 0 where all features point the same way, see `feature_spread`.
        """
        label, features = torch.cat(self._label), torch.cat(self._features)
        return {
            "n": len(label),
            "knn_accuracy": float((self.predicted() == label).float().mean()),
            "effective_rank": float(effective_rank(features)),
            "feature_spread": float(feature_spread(features)),
        }
