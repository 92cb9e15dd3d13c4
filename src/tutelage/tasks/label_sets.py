"""Sets of classes that hold the right one with a stated probability: split conformal prediction.

The score of a class is 1 minus its probability (least ambiguous sets, arXiv:1609.00451). The sets have the coverage on
images that come from where the held-out ones come from, whatever the network. If there are enough labels of each class,
each has its own threshold, and the coverage holds for the images of each class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import ConfigError
from tutelage.core.names import counted
from tutelage.core.wording import named

_SPARE = 3  # times the labels that a class needs for a threshold, so that it is not the least likely one of them


@dataclass(frozen=True)
class LabelSets:
    """Which classes are in the set of an image.

    Attributes:
        coverage: the share of sets that hold the right class, in (0, 1).
        least: (K,) the least probability of each class that is in a set.
        by_class: whether the coverage holds for each class by itself.
    """

    coverage: float
    least: NDArray[np.float64]
    by_class: bool

    @staticmethod
    def fit(probs: NDArray[np.floating], label: NDArray[np.int64], coverage: float) -> LabelSets:
        """The sets with a coverage, from images that the network did not learn the labels of.

        Args:
            probs: (n, K) their probabilities.
            label: (n,) their classes.
            coverage: in (0, 1).

        Raises:
            ConfigError: there are too few of them for that coverage.
        """
        needed = least_labels(coverage)
        if len(label) < needed:
            raise ConfigError(
                f"{named('coverage')} {coverage:g} needs at least {counted(needed, 'held-out label')}, got {len(label)}"
            )
        right = probs[np.arange(len(label)), label].astype(np.float64)
        classes = probs.shape[1]
        by_class = int(np.bincount(label, minlength=classes).min()) >= _SPARE * needed
        own = [right[label == number] if by_class else right for number in range(classes)]
        return LabelSets(coverage, np.array([_least(found, coverage) for found in own]), by_class)

    def of(self, probs: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(n, K) whether each class is in the set of an image with `probs` (n, K). A set can be empty."""
        inside: NDArray[np.bool_] = probs.astype(np.float64) >= self.least
        return inside


def least_labels(coverage: float) -> int:
    """The number of held-out labels below which no threshold has this coverage."""
    return math.ceil(coverage / (1.0 - coverage) - 1e-9)


def _least(right: NDArray[np.float64], coverage: float) -> float:
    """The probability that, of n + 1 exchangeable ones, at least the share `coverage` reaches; `right` (n,)."""
    place = math.ceil((len(right) + 1) * coverage - 1e-9)
    return float(np.sort(right)[len(right) - place])
