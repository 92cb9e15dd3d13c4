"""Scores networks on labeled data: an exam gives a network its grades."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tutelage.core.batch import PseudoLabels
from tutelage.data.images.streamed import StreamedImages
from tutelage.methods.base import Method
from tutelage.tasks.base import Task
from tutelage.training.pseudo_health import health, tally


@dataclass(frozen=True)
class Grades:
    """The scores of a network.

    Attributes:
        metrics: ready for JSON; they include the task's headline.
        items: arrays with one entry per image or case, to compare two networks item by item.
        probs: (N, K) of images with classes, in the order of `items`.
    """

    metrics: dict[str, Any]
    items: dict[str, NDArray[Any]]
    probs: Tensor | None = None


class Exam(ABC):
    """Labeled data that networks are scored on. `len()` is its number of images or cases."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def first(self, most: int) -> Exam:
        """The same exam with at most `most` items, to measure how long scoring takes."""

    @abstractmethod
    def score(
        self, network: nn.Module, *, method: Method[Any] | None = None, check: Callable[[], None] = lambda: None
    ) -> Grades:
        """The grades of a network.

        Args:
            method: if given, the metrics include the quality of the pseudo-labels that it would give these items.
            check: called between batches; it may raise to stop early.
        """


@dataclass(frozen=True)
class ImageExam(Exam):
    """Some rows of decoded images (N, C, H, W) uint8, or features (N, D) float32, with classes `labels` (N,) int64."""

    task: Task
    images: NDArray[Any] | StreamedImages
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    normalization: Callable[[Tensor], Tensor]
    device: torch.device

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, most: int) -> ImageExam:
        """The same exam with at most `most` images."""
        return replace(self, rows=self.rows[:most])

    def score(
        self, network: nn.Module, *, method: Method[Any] | None = None, check: Callable[[], None] = lambda: None
    ) -> Grades:
        """The task's metrics; the items are `label` and `predicted`, the true and the predicted class of each image.

        Args:
            method: if it makes pseudo-labels, adds `pseudo_share` and `pseudo_accuracy`: of the pseudo-labels that it
                would give these images, without augmentation.
            check: called before each batch; it may raise to stop early.
        """
        probs = predict_rows(
            network,
            self.task,
            self.images,
            self.rows,
            normalization=self.normalization,
            device=self.device,
            check=check,
        )
        label = torch.from_numpy(self.labels[self.rows])
        metrics = self.task.metrics()
        metrics.update(probs, label)
        scores = metrics.compute()
        if method is not None:
            scores |= _pseudo_label_scores(method, probs.to(self.device), label)
        return Grades(scores, {"label": label.numpy(), "predicted": probs.argmax(1).numpy()}, probs)


def _pseudo_label_scores(method: Method[Any], probs: Tensor, label: Tensor) -> dict[str, float]:
    weight, guess = method.pseudo_label_weight(probs), method.guess(probs)
    if weight is None:
        return {}
    figures = health(tally(PseudoLabels(guess.argmax(1).cpu(), weight.cpu()), label, probs.shape[1]))
    found = {name: figures.get(f"pseudo/{name}") for name in ("share", "accuracy")}
    return {f"pseudo_{name}": value for name, value in found.items() if isinstance(value, float)}


def predict_rows(
    network: nn.Module,
    task: Task,
    images: NDArray[Any] | StreamedImages,
    rows: NDArray[np.int64],
    *,
    normalization: Callable[[Tensor], Tensor],
    device: torch.device,
    batch: int = 256,
    check: Callable[[], None] = lambda: None,
) -> Tensor:
    """(len(rows), K) float32 on the CPU: class probabilities of some rows of `images`, as in `ImageExam`.

    Args:
        check: called before each batch; it may raise to stop early.
    """
    parts = []
    for start in range(0, len(rows), batch):
        check()
        pixels = torch.from_numpy(np.ascontiguousarray(images[rows[start : start + batch]]))
        parts.append(task.predict(network, normalization(pixels.to(device))).float().cpu())
    return torch.cat(parts) if parts else torch.zeros(0, len(task.classes))
