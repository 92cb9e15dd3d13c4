"""Additional metrics of a task: functions from other packages, selected by import path."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tutelage.core.errors import ConfigError
from tutelage.core.import_path import import_named

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
            value = float(self.function(probs, label))
        except Exception as error:
            raise ConfigError(f"the metric {self.name} failed with {type(error).__name__}: {error}") from error
        if not math.isfinite(value):
            raise ConfigError(f"the metric {self.name} must be a finite number, got {value}")
        return value


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
