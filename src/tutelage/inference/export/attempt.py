"""Writing a graph and comparing it with its model: with free sides first, and with fixed ones if those fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import ConfigError
from tutelage.core.names import shown
from tutelage.inference.export.formats.base import GraphFormat
from tutelage.inference.export.inputs import batches
from tutelage.inference.export.portable import Portable, Run

TOLERANCE = 1e-4  # of a probability; of features, as a share of the largest one
_LONGEST = 200  # characters of what an exporter says


@dataclass(frozen=True)
class Attempt:
    """A graph in a file.

    Attributes:
        difference: see `largest_difference`.
        fixed: why its sides are fixed; "" if they are free, or if there are none.
    """

    difference: float
    fixed: str = ""


def write_graph(
    kind: GraphFormat,
    made: Portable,
    file: Path,
    facts: Callable[[Portable], Mapping[str, str]],
    inputs: NDArray[Any],
) -> Attempt:
    """Write a graph, and compare its answers to `inputs` with those of the model.

    Args:
        facts: the metadata of a graph with these free axes.

    Raises:
        ConfigError: the network cannot be exported in this form.
        OSError: the file cannot be written.
    """
    try:
        kind.write(made, file, facts(made))
        difference = largest_difference(kind.open(file, made), made, inputs)
        fault = "" if difference <= TOLERANCE else f"other sizes differ by {difference:.1e}"
    except OSError:
        raise
    except Exception as error:  # exporters and runtimes raise almost anything
        difference, fault = float("inf"), _first_line(error)
        if len(made.free) == 1:
            raise ConfigError(f"this network cannot be exported as {kind.name}: {fault}") from error
    if not fault or len(made.free) == 1:
        return Attempt(difference)
    return Attempt(write_graph(kind, made.fixed(), file, facts, inputs).difference, fault)


def largest_difference(opened: Run, made: Portable, inputs: NDArray[Any]) -> float:
    """The largest difference of a file's answers from the model's, of features as a share of the largest one.

    The inputs are given in batches of several sizes. It is infinity if an answer is no number or of another shape.
    """
    most = 0.0
    for batch in batches(made, inputs):
        expected, found = made.answer(batch), opened(batch)
        if found.shape != expected.shape or not np.isfinite(found).all():
            return float("inf")
        scale = max(1.0, float(np.abs(expected).max())) if made.result == "features" else 1.0
        most = max(most, float(np.abs(found - expected).max()) / scale)
    return most


def _first_line(error: Exception) -> str:
    return shown((str(error).strip() or type(error).__name__).splitlines()[0])[:_LONGEST]
