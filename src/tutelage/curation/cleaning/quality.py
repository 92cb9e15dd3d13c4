"""Images of poor quality, as far as numbers tell: of one color, dark, bright, blurred, or of an unusual size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from tutelage.curation.cleaning.unlike import LEAST, deviations
from tutelage.data.images.reading import Size

EMPTY = 2.0  # gray levels, deviation of the pixels of each color
DARK, BRIGHT = 50.0, 205.0  # gray levels that 95% of the pixels are below, or above
USUAL = 0.1  # share of the images from which on what they have in common is no fault
BLURRED = 3.5  # deviations below the median of the logarithm
SIDES, SHAPE = 4.0, 2.5  # factors between a side, or a ratio of sides, and the median
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measures:
    """What is measured of n images.

    Attributes:
        deviation: (n,) the largest standard deviation of a color, in gray levels.
        low, high: (n,) the gray levels that 5% and 95% of the pixels are below.
        sharpness: (n,) the variance of the Laplacian, in squared gray levels.
    """

    deviation: Array
    low: Array
    high: Array
    sharpness: Array

    @staticmethod
    def joined(parts: Sequence[Measures]) -> Measures:
        """Those of several blocks of images."""
        columns = ([getattr(part, name) for part in parts] for name in ("deviation", "low", "high", "sharpness"))
        return Measures(*(np.concatenate([np.zeros(0), *column]) for column in columns))


def measure(images: NDArray[np.uint8]) -> Measures:
    """The measures of images (n, C, S, S) of one size; the variance of the Laplacian depends on it."""
    gray = images.astype(np.float32).mean(axis=1)
    low, high = np.quantile(gray, (0.05, 0.95), axis=(1, 2))
    edges = scipy.ndimage.laplace(gray, axes=(1, 2))
    return Measures(
        images.std(axis=(2, 3)).max(axis=1).astype(np.float64), low, high, edges.var(axis=(1, 2)).astype(np.float64)
    )


def is_empty(measures: Measures) -> NDArray[np.bool_]:
    """(n,) whether an image has a single color."""
    return measures.deviation < EMPTY


def is_dark(measures: Measures) -> NDArray[np.bool_]:
    """(n,) whether 95% of the pixels of an image are nearly black; none if that is usual in the set."""
    return _unusual((measures.high < DARK) & ~is_empty(measures))


def is_bright(measures: Measures) -> NDArray[np.bool_]:
    """(n,) whether 95% of the pixels of an image are nearly white; none if that is usual in the set."""
    return _unusual((measures.low > BRIGHT) & ~is_empty(measures))


def blur(measures: Measures) -> Array:
    """(n,) by how many deviations the logarithm of the sharpness is below the median of the set; see `BLURRED`.

    Images of one color, and all images of a set of fewer than 20, are at 0.
    """
    full = ~is_empty(measures)
    score = np.zeros(len(full))
    if full.sum() >= LEAST:
        sharpness = -np.log(measures.sharpness[full] + 1e-3)
        score[full] = deviations(sharpness.astype(np.float32), sharpness.astype(np.float32))
    return score


def odd_sizes(sizes: Sequence[Size]) -> list[str | None]:
    """For each (width, height): what is unusual about it among the others, or None."""
    if len(sizes) < LEAST:
        return [None] * len(sizes)
    sides = np.array(sizes, np.float64)
    short, ratio = sides.min(axis=1), sides.max(axis=1) / sides.min(axis=1)
    side, shape = float(np.median(short)), float(np.median(ratio))
    found: list[str | None] = []
    for (width, height), own, form in zip(sizes, short, ratio, strict=True):
        if not 1.0 / SIDES <= own / side <= SIDES:
            found.append(f"{width} x {height} pixels, where the short side usually has {side:.0f}")
        elif form / shape > SHAPE:
            found.append(f"{width} x {height} pixels, a ratio of {form:.1f} where {shape:.1f} is usual")
        else:
            found.append(None)
    return found


def _unusual(faulty: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return faulty if faulty.mean() < USUAL else np.zeros_like(faulty)
