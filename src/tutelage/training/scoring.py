"""How good a network is on labeled data: an exam, and its grades."""

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
from tutelage.data.images.loader import Normalization
from tutelage.methods.base import Method
from tutelage.tasks.base import Task
from tutelage.training.pseudo_health import health, tally


@dataclass(frozen=True)
class Grades:
    """What an exam gives a network.

    Attributes:
        metrics: ready for JSON; the task's headline is among them.
        items: arrays with a row for each image or case, by which two networks are compared item by item.
    """

    metrics: dict[str, Any]
    items: dict[str, NDArray[Any]]


class Exam(ABC):
    """Labeled data that networks are scored on. `len()` is its number of images or cases."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def first(self, most: int) -> Exam:
        """The same with at most so many items, to find out how long scoring takes."""

    @abstractmethod
    def score(
        self, network: nn.Module, *, method: Method | None = None, check: Callable[[], None] = lambda: None
    ) -> Grades:
        """The grades of a network.

        Args:
            method: where one is given, the metrics also tell what it would make of these items if they had no label.
            check: called now and then; it may raise to end early.
        """


@dataclass(frozen=True)
class ImageExam(Exam):
    """Some rows of decoded images (N, C, H, W) uint8 with classes `labels` (N,) int64."""

    task: Task
    images: NDArray[np.uint8]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    normalization: Normalization
    device: torch.device

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, most: int) -> ImageExam:
        """The same with at most so many images."""
        return replace(self, rows=self.rows[:most])

    def score(
        self, network: nn.Module, *, method: Method | None = None, check: Callable[[], None] = lambda: None
    ) -> Grades:
        """The task's metrics; the items are `label` and `predicted`, the class of each image and what it is taken for.

        Args:
            method: one that makes pseudo-labels adds `pseudo_share` and `pseudo_accuracy`: of those it would make of
                these images, without augmentation.
            check: called before each batch; it may raise to end early.
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
        return Grades(scores, {"label": label.numpy(), "predicted": probs.argmax(1).numpy()})


def _pseudo_label_scores(method: Method, probs: Tensor, label: Tensor) -> dict[str, float]:
    weight, guess = method.pseudo_label_weight(probs), method.guess(probs)
    if weight is None:
        return {}
    figures = health(tally(PseudoLabels(guess.argmax(1).cpu(), weight.cpu()), label, probs.shape[1]))
    found = {name: figures.get(f"pseudo/{name}") for name in ("share", "accuracy")}
    return {f"pseudo_{name}": value for name, value in found.items() if isinstance(value, float)}


def predict_rows(
    network: nn.Module,
    task: Task,
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    *,
    normalization: Normalization,
    device: torch.device,
    batch: int = 256,
    check: Callable[[], None] = lambda: None,
) -> Tensor:
    """(len(rows), K) float32 on the CPU: class probabilities of some rows of `images` (N, C, H, W) uint8.

    Args:
        check: called before each batch; it may raise to end early.
    """
    parts = []
    for start in range(0, len(rows), batch):
        check()
        pixels = torch.from_numpy(np.ascontiguousarray(images[rows[start : start + batch]]))
        parts.append(task.predict(network, normalization(pixels.to(device))).float().cpu())
    return torch.cat(parts) if parts else torch.zeros(0, len(task.classes))
