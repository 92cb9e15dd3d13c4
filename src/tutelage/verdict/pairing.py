"""The difference of two networks on the same images."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.errors import RunError
from tutelage.files import write_atomically

FILE = "scored.npz"
_NAMES = ("label", "predicted")
_NORMAL95 = 1.960


@dataclass(frozen=True)
class Difference:
    """Points of accuracy that the first network has more than the second.

    Attributes:
        half_width: half the 95 % interval of the difference, over the choice of the images alone.
        p: of McNemar's exact test: how likely so uneven a split of the images that only one gets right is, if both
            networks were equally good.
    """

    points: float
    half_width: float
    p: float
    images: int


def difference(first: Sequence[bool] | NDArray, second: Sequence[bool] | NDArray) -> Difference:
    """The paired difference, from which images each of two networks gets right."""
    gained = np.asarray(first, np.int64) - np.asarray(second, np.int64)
    n, mean = len(gained), float(gained.mean())
    spread = math.sqrt(max(float((gained**2).mean()) - mean**2, 0.0) / n)
    won, lost = int((gained == 1).sum()), int((gained == -1).sum())
    return Difference(100 * mean, 100 * _NORMAL95 * spread, mcnemar(won, lost), n)


def mcnemar(won: int, lost: int) -> float:
    """The two-sided exact p-value of `won` against `lost` under a fair coin (McNemar 1947, with the binomial)."""
    n, least = won + lost, min(won, lost)
    logs = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(least + 1)]
    tail = math.fsum(math.exp(log - n * math.log(2)) for log in logs)
    return min(1.0, 2.0 * tail)


def write_scored(run: Path, parts: Mapping[str, Mapping[str, NDArray]]) -> None:
    """Write what was made of each scored item, by part, into the run: for images the given and the predicted class."""
    stream = io.BytesIO()
    arrays = {f"{part}_{name}": value for part, items in parts.items() for name, value in items.items()}
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    write_atomically(run / FILE, stream.getvalue())


def read_scored(run: Path, part: str) -> tuple[NDArray, NDArray]:
    """The given and the predicted class (N,) of each image of a part.

    Raises:
        RunError: they are not there, or damaged.
    """
    try:
        with np.load(run / FILE, allow_pickle=False) as arrays:
            return arrays[f"{part}_{_NAMES[0]}"], arrays[f"{part}_{_NAMES[1]}"]
    except (OSError, KeyError, ValueError) as error:
        raise RunError(f"cannot read the predictions in {run / FILE}: {error}") from None


def paired_difference(run: Path, twin: Path, part: str) -> Difference:
    """What `run` has more than `twin` on the images of a part.

    Raises:
        RunError: they were not scored on the same images.
    """
    (label, mine), (other, theirs) = read_scored(run, part), read_scored(twin, part)
    if not np.array_equal(label, other):
        raise RunError(f"{run} and {twin} cannot be compared: they were scored on other {part} images")
    return difference(mine == label, theirs == label)
