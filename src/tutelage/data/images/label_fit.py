"""Whether labels fit the images: how well nearest neighbors and trained networks agree with them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tutelage.core.seeding import derived_seed
from tutelage.data.images.gap import pixel_features

MOST = 1000  # images that are used
LEAST = 30  # images, below which there is no result
FEW_LABELS = 100  # with fewer labels, correct ones of difficult images may teach as little as wrong ones


@dataclass(frozen=True)
class LabelFit:
    """How often labeled images that look alike have the same label.

    Attributes:
        agreement: share of images whose nearest neighbor has their label.
        chance: the expected agreement of random labels.
        z: by how many standard errors the agreement is above chance.
    """

    agreement: float
    chance: float
    z: float
    images: int


def measure_label_fit(images: np.ndarray, label: NDArray[np.int64], *, seed: int) -> LabelFit | None:
    """How often the nearest neighbor of an image, by coarse pixel statistics, has the same label.

    Args:
        images: (N, C, H, W) uint8.
        label: (N,) class of each image.
        seed: selects images if there are more than 1,000.
    """
    n = len(images)
    if n < LEAST:
        return None
    if n > MOST:
        chosen = np.sort(np.random.default_rng(derived_seed(seed, "label fit")).choice(n, MOST, replace=False))
        images, label, n = images[chosen], label[chosen], MOST
    x = pixel_features(images)
    x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-9)
    square = (x**2).sum(1)
    distance = square[:, None] + square - 2.0 * x @ x.T
    np.fill_diagonal(distance, np.inf)
    agreement = float((label[distance.argmin(1)] == label).mean())
    counts = np.bincount(label)
    chance = float((counts * (counts - 1)).sum() / (n * (n - 1)))
    error = math.sqrt(max(chance * (1.0 - chance), 1e-12) / n)
    return LabelFit(agreement, chance, (agreement - chance) / error, n)


def reached_by_chance(guess: float, labels: int, scored: int) -> float:
    """The accuracy that training on this many random labels seldom exceeds.

    The model: each labeled image, up to `FEW_LABELS`, decides the class of an equal share of the others, correctly with
    probability `guess`, and `scored` of those are scored. The result is two standard deviations above `guess`. More
    labels do not narrow it, since classifiers that cannot memorize random labels predict one class for whole regions.
    """
    votes = min(labels, FEW_LABELS)
    return guess + 2.0 * math.sqrt(guess * (1.0 - guess) * (1.0 / votes + 1.0 / scored))
