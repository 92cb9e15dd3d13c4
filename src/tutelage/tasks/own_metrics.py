"""Additional metrics of a task: functions from other packages, selected by import path."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tutelage.core.errors import ConfigError
from tutelage.core.import_path import import_named
from tutelage.core.seeding import own_random_state

TRIALS = 2
FORM = "{:.4g}"  # of their values in tables


@dataclass(frozen=True)
class OwnMetric:
    """A named function of class probabilities (B, K, *S) and labels (B, *S) that returns one number."""

    name: str
    function: Callable[[Tensor, Tensor], Any]

    def __call__(self, probs: Tensor, label: Tensor) -> float:
        """The score.

        Raises:
            ConfigError: the function raises, or does not return a finite number.
        """
        try:
            value = self.function(probs, label)
        except Exception as error:
            raise ConfigError(f"the metric {self.name} failed with {type(error).__name__}: {error}") from error
        try:
            number = float("" if isinstance(value, str) else value)
        except (TypeError, ValueError, RuntimeError):
            shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
            said = f"{type(value).__name__}{shape}" if value is not None else "None"
            raise ConfigError(f"the metric {self.name} must return one number, got {said}") from None
        if not math.isfinite(number):
            raise ConfigError(f"the metric {self.name} must be a finite number, got {number}")
        return number


@own_random_state()
def try_metrics(metrics: Iterable[OwnMetric], rows: int, num_classes: int, size: Sequence[int] = ()) -> None:
    """Call each metric with random probabilities (rows, num_classes, *size) and labels (rows, *size) of all classes.

    Raises:
        ConfigError: a metric raises, or does not return a finite number.
    """
    generator = torch.Generator().manual_seed(0)
    for metric in metrics:
        for _ in range(TRIALS):
            probs = torch.randn(rows, num_classes, *size, generator=generator).softmax(1)
            label = torch.arange(rows * math.prod(size)) % num_classes
            label = label[torch.randperm(len(label), generator=generator)].reshape(rows, *size)
            try:
                metric(probs, label)
            except ConfigError as error:
                raise ConfigError(
                    f"train.metrics: {error}, when tried on random predictions before training"
                ) from error


def own_metrics(paths: Iterable[str]) -> tuple[OwnMetric, ...]:
    """The metrics at the given import paths.

    Raises:
        ConfigError: there is no such function, or two have the same name.
    """
    found: dict[str, OwnMetric] = {}
    for path in paths:
        function, name = import_named(path, "train.metrics"), path.partition(":")[2]
        if not callable(function):
            raise ConfigError(f"train.metrics {path} is not a function of (probs, labels)")
        if name in found:
            raise ConfigError(f"train.metrics names two functions '{name}'; rename one")
        found[name] = OwnMetric(name, function)
    return tuple(found.values())
