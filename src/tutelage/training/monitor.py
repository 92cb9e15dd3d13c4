"""Scores features during self-supervised training: labeled images are classified by their nearest neighbors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tutelage.data.images.image_set import ImageSubset
from tutelage.data.images.loader import Normalization
from tutelage.methods.base import Method
from tutelage.tasks.representation import NeighborMetrics, Representation
from tutelage.training.scoring import Exam, Grades, predict_rows

LARGEST_BANK, MOST_QUERIES = 10_000, 5_000  # images per evaluation


@dataclass(frozen=True)
class NeighborExam(Exam):
    """Classifies `queries` by their nearest neighbors in `bank`; both are labeled images.

    Without a bank, the queries are cut into five parts, and each part is classified by the other four. `len()` is the
    number of images that pass through the network.
    """

    task: Representation
    queries: ImageSubset
    bank: ImageSubset | None
    normalization: Normalization
    device: torch.device

    def __len__(self) -> int:
        return len(self.queries) + (0 if self.bank is None else len(self.bank))

    def first(self, most: int) -> NeighborExam:
        """The same exam with at most `most` queries, and at most `most` images in the bank."""
        return self.limited(queries=most, bank=most)

    def limited(self, *, queries: int = MOST_QUERIES, bank: int = LARGEST_BANK) -> NeighborExam:
        """The same exam with fewer, evenly spaced images, so that it is quick enough to repeat during training."""
        return replace(
            self,
            queries=_spaced(self.queries, queries),
            bank=None if self.bank is None else _spaced(self.bank, bank),
        )

    def score(
        self, network: nn.Module, *, method: Method[Any] | None = None, check: Callable[[], None] = lambda: None
    ) -> Grades:
        """kNN accuracy and the label-free metrics of `NeighborMetrics`; the items are `label` and `predicted`.

        Args:
            method: ignored.
            check: called before each batch; it may raise to stop early.
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
