"""The part of a method that depends on the kind of answer: its loss, its prediction and its metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from tutelage.core.errors import ConfigError
from tutelage.tasks.own_metrics import FORM, OwnMetric


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
        own_metrics: further scores, functions of other packages.
    """

    headline: ClassVar[str]
    columns: Mapping[str, tuple[str, str]]
    items: ClassVar[str] = "images"
    classes: tuple[str, ...]
    own_metrics: tuple[OwnMetric, ...] = ()

    def add_metrics(self, own_metrics: tuple[OwnMetric, ...]) -> None:
        """Score by these functions too, in columns of their own.

        Raises:
            ConfigError: one has the name of another score.
        """
        for metric in own_metrics:
            if metric.name in self.columns or metric.name in self.metrics().compute():
                raise ConfigError(f"train.metrics: there is a score named '{metric.name}' already; rename the function")
        self.own_metrics = own_metrics
        self.columns = {**self.columns, **{metric.name: (metric.name, FORM) for metric in own_metrics}}

    @abstractmethod
    def loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Scalar: the supervised loss, averaged over rows."""

    @abstractmethod
    def predict(self, network: nn.Module, image: Tensor) -> Tensor:
        """(B, K, *S) probabilities of standardized images (B, C, *S), without gradient."""

    @abstractmethod
    def metrics(self) -> Metrics:
        """A fresh collector."""
