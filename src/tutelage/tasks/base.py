"""The part of a method that depends on the kind of prediction: its loss, its predictions and its metrics."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from tutelage.core.errors import ConfigError
from tutelage.tasks.own_metrics import FORM, OwnMetric, try_metrics

TRIED_PER_CLASS = 8  # random predictions that a metric of another package is tried on


class Metrics(ABC):
    """Collects predictions and computes scores from them."""

    @abstractmethod
    def update(self, probs: Tensor, label: Tensor) -> None:
        """Add a batch: `probs` (B, K, *S) summing to 1 over K, `label` (B, *S) int64."""

    @abstractmethod
    def compute(self) -> dict[str, Any]:
        """All metrics of the collected predictions, ready for JSON."""


class Task(ABC):
    """A kind of prediction. The class axis is 1: logits (B, K, *S), labels (B, *S).

    Attributes:
        headline: the score by which networks and runs are compared, in [0, 1]; higher is better.
        columns: the scores that tables show, by name: heading and format.
        items: what is scored, in the plural.
        own_metrics: additional scores: functions from other packages.
    """

    headline: ClassVar[str]
    columns: Mapping[str, tuple[str, str]]
    items: ClassVar[str] = "images"
    classes: tuple[str, ...]
    own_metrics: tuple[OwnMetric, ...] = ()

    def add_metrics(self, own_metrics: tuple[OwnMetric, ...]) -> None:
        """Also score with these functions, each in its own column. They are tried on random predictions first.

        Raises:
            ConfigError: a function has the name of another score, or does not return a finite number.
        """
        for metric in own_metrics:
            if metric.name in self.columns or metric.name in self.metrics().compute():
                raise ConfigError(f"train.metrics: a score named '{metric.name}' already exists; rename the function")
        self.try_metrics(own_metrics)
        self.own_metrics = own_metrics
        self.columns = {**self.columns, **{metric.name: (metric.name, FORM) for metric in own_metrics}}

    def also_scored_by(self, own_metrics: tuple[OwnMetric, ...]) -> Self:
        """A copy of this task with these functions as its `own_metrics`; see `add_metrics`."""
        task = copy.copy(self)
        task.add_metrics(own_metrics)
        return task

    def try_metrics(self, own_metrics: tuple[OwnMetric, ...]) -> None:
        """Call these functions with random predictions of all classes, as they will be called to score.

        Raises:
            ConfigError: a function raises, or does not return a finite number.
        """
        try_metrics(own_metrics, TRIED_PER_CLASS * len(self.classes), len(self.classes))

    @abstractmethod
    def loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Scalar: the supervised loss, averaged over rows."""

    @abstractmethod
    def predict(self, network: nn.Module, image: Tensor) -> Tensor:
        """(B, K, *S) probabilities of standardized images (B, C, *S), without gradient."""

    @abstractmethod
    def metrics(self) -> Metrics:
        """A new, empty collector."""
