"""Sets of classes that hold the right one with a stated probability: conformal prediction.

The score of a class is 1 minus its probability (least ambiguous sets, arXiv:1609.00451). Split sets compare it with the
scores of held-out images in the same network; cross sets, with those of labeled images in heads that were trained
without them (CV+, arXiv:1905.02928 and 2006.02544). If there are enough labels of each class, the coverage holds for
the images of each class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from tutelage.core.errors import ConfigError
from tutelage.core.names import counted
from tutelage.core.wording import named

_SPARE = 3  # times the labels that a class needs for a threshold, so that it is not the least likely one of them

_ROUNDING = 1e-6  # of probabilities that are the same but for how they were computed

Numbers = NDArray[np.floating]


class LabelSets(Protocol):
    """Which classes are in the set of an image."""

    @property
    def by_class(self) -> bool:
        """Whether the coverage holds for each class by itself."""
        ...

    def of(self, probs: Numbers, features: Numbers) -> NDArray[np.bool_]:
        """(m, K) whether each class is in the set of images; a set can be empty.

        Args:
            probs: (m, K) in the network.
            features: (m, D) in the network; only cross sets look at them.
        """
        ...


@dataclass(frozen=True)
class SplitSets:
    """Sets by images that the network itself did not learn the labels of.

    Attributes:
        least: (K,) the least probability of each class that is in a set.
    """

    least: NDArray[np.float64]
    by_class: bool

    @staticmethod
    def fit(probs: Numbers, label: NDArray[np.int64], coverage: float) -> SplitSets:
        """The sets with a coverage in (0, 1), from held-out images with `probs` (n, K) and classes `label` (n,).

        Raises:
            ConfigError: there are too few of them for that coverage.
        """
        by_class = _enough(label, probs.shape[1], coverage)
        right = probs[np.arange(len(label)), label].astype(np.float64)
        least = []
        for number in range(probs.shape[1]):
            own = np.sort(right[label == number] if by_class else right)
            least.append(own[len(own) - math.ceil((len(own) + 1) * coverage - 1e-9)])
        return SplitSets(np.array(least), by_class)

    def of(self, probs: Numbers, features: Numbers) -> NDArray[np.bool_]:
        """See `LabelSets`."""
        inside: NDArray[np.bool_] = probs.astype(np.float64) >= self.least
        return inside


@dataclass(frozen=True)
class CrossSets:
    """Sets by labeled images, each of which is held out of one of several heads.

    Attributes:
        coverage: of the sets, in (0, 1).
        heads: (F, K, D + 1): the weights of each head, and its biases in the last column.
        right: (n,) the probability of its class that each labeled image has in the head trained without it.
        label, fold: (n,) its class, and the number of that head.
    """

    coverage: float
    heads: Numbers
    right: NDArray[np.float64]
    label: NDArray[np.int64]
    fold: NDArray[np.int64]
    by_class: bool

    @staticmethod
    def fit(
        probs: Numbers, label: NDArray[np.int64], fold: NDArray[np.int64], heads: Numbers, coverage: float
    ) -> CrossSets:
        """The sets with a coverage; `probs` (n, K) of each labeled image are those in the head trained without it.

        Raises:
            ConfigError: there are too few of them for that coverage.
        """
        by_class = _enough(label, probs.shape[1], coverage)
        right = probs[np.arange(len(label)), label].astype(np.float64)
        return CrossSets(coverage, heads, right, label, fold, by_class)

    def of(self, probs: Numbers, features: Numbers) -> NDArray[np.bool_]:
        """See `LabelSets`. A class is left out if nearly all labeled images are more likely in their own class."""
        classes = self.heads.shape[1]
        more_likely = np.zeros((len(features), classes))  # the number of labeled images that each class is behind
        for number, head in enumerate(self.heads.astype(np.float64)):
            own = softmax(features @ head[:, :-1].T + head[:, -1], axis=1) * (1.0 + _ROUNDING)
            in_fold = self.fold == number
            if not self.by_class:
                more_likely += _above(self.right[in_fold], own)
                continue
            for one in range(classes):
                more_likely[:, one] += _above(self.right[in_fold & (self.label == one)], own[:, one])
        of_class = np.bincount(self.label, minlength=classes) if self.by_class else np.full(classes, len(self.label))
        inside: NDArray[np.bool_] = more_likely < np.ceil((of_class + 1) * self.coverage - 1e-9)
        return inside


def _above(right: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many of `right` (n,) are above each of `own`."""
    found: NDArray[np.int64] = len(right) - np.searchsorted(np.sort(right), own, side="right")
    return found


def least_labels(coverage: float) -> int:
    """The number of held-out labels below which no threshold has this coverage."""
    return math.ceil(coverage / (1.0 - coverage) - 1e-9)


def _enough(label: NDArray[np.int64], classes: int, coverage: float) -> bool:
    """Whether there are enough labels of each class for its own coverage; too few in all are refused."""
    needed = least_labels(coverage)
    if len(label) < needed:
        raise ConfigError(
            f"{named('coverage')} {coverage:g} needs at least {counted(needed, 'held-out label')}, got {len(label)}"
        )
    return int(np.bincount(label, minlength=classes).min()) >= _SPARE * needed
