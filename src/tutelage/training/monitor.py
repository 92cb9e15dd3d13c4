"""How good features are while they are learned: labeled images, judged by the labels of their nearest neighbors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tutelage.data.images.image_set import ImageSubset
from tutelage.data.images.loader import Normalization
from tutelage.methods.base import Method
from tutelage.tasks.representation import NeighborMetrics, Representation
from tutelage.training.scoring import Exam, Grades, predict_rows

LARGEST_BANK, MOST_QUERIES = 10_000, 5_000  # images that pass through the network at each evaluation


@dataclass(frozen=True)
class NeighborExam(Exam):
    """Labeled images `queries` among the labeled images of a `bank`; without one, each fifth of them among the others.

    `len()` counts the images that pass through a network.
    """

    task: Representation
    queries: ImageSubset
    bank: ImageSubset | None
    normalization: Normalization
    device: torch.device

    def __len__(self) -> int:
        return len(self.queries) + (0 if self.bank is None else len(self.bank))

    def first(self, most: int) -> NeighborExam:
        """The same with at most so many images, and as many of a bank."""
        return self.limited(queries=most, bank=most)

    def limited(self, *, queries: int = MOST_QUERIES, bank: int = LARGEST_BANK) -> NeighborExam:
        """The same with evenly spaced images where there are more: what is quick enough to be done again and again."""
        return replace(
            self,
            queries=_spaced(self.queries, queries),
            bank=None if self.bank is None else _spaced(self.bank, bank),
        )

    def score(
        self, network: nn.Module, *, method: Method | None = None, check: Callable[[], None] = lambda: None
    ) -> Grades:
        """kNN accuracy and the label-free figures of `NeighborMetrics`; the items are `label` and `predicted`.

        Args:
            method: not looked at.
            check: called before each batch; it may raise to end early.
        """
        bank = None if self.bank is None else self._features(network, self.bank, check)
        metrics = NeighborMetrics(len(self.task.classes), bank)
        features, label = self._features(network, self.queries, check)
        metrics.update(features, label)
        return Grades(metrics.compute(), {"label": label.numpy(), "predicted": metrics.predicted().numpy()})

    def _features(self, network: nn.Module, part: ImageSubset, check: Callable[[], None]) -> tuple[Tensor, Tensor]:
        features = predict_rows(
            network,
            self.task,
            part.images.images,
            part.rows,
            normalization=self.normalization,
            device=self.device,
            check=check,
        )
        return features, torch.from_numpy(part.labels)


def _spaced(part: ImageSubset, most: int) -> ImageSubset:
    places: NDArray[np.int64] = np.linspace(0, len(part) - 1, min(most, len(part))).astype(np.int64)
    return ImageSubset(part.images, part.rows[places])
