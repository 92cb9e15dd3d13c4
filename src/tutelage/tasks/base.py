"""The part of a method that depends on the kind of answer: its loss, its prediction and its metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn


class Metrics(ABC):
    """Collects predictions, then says how good they were."""

    @abstractmethod
    def update(self, probs: Tensor, label: Tensor) -> None:
        """Add a batch: `probs` (B, K, *S) summing to 1 over K, `label` (B, *S) int64."""

    @abstractmethod
    def compute(self) -> dict[str, Any]:
        """All metrics of what was added, ready for JSON."""


class Task(ABC):
    """A kind of answer. The class axis is 1: logits (B, K, *S), labels (B, *S).

    Attributes:
        headline: the score that networks and runs are compared by, in [0, 1]; more is better.
        columns: the scores that tables show, by name: heading and format.
        items: what one row of an exam is, in the plural.
    """

    headline: ClassVar[str]
    columns: ClassVar[Mapping[str, tuple[str, str]]]
    items: ClassVar[str] = "images"
    classes: tuple[str, ...]

    @abstractmethod
    def loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Scalar: the supervised loss, averaged over rows."""

    @abstractmethod
    def predict(self, network: nn.Module, image: Tensor) -> Tensor:
        """(B, K, *S) probabilities of standardized images (B, C, *S), without gradient."""

    @abstractmethod
    def metrics(self) -> Metrics:
        """A fresh collector."""
