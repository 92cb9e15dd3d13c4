"""The difference of two networks on the same images or cases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import RunError
from tutelage.core.headlines import ACCURACY, Headline
from tutelage.core.intervals import interval
from tutelage.run.scored import of_network, read_scored

_NORMAL95 = 1.960
_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Difference:
    """By how many points of the headline the first network is better than the second.

    Attributes:
        half_width: half the 95% interval of the difference, over the choice of images or cases only; 100 for a single
            case, which says nothing.
        p: the probability of a result at least this uneven if both networks were equally good: by McNemar's exact test
            for images, by Wilcoxon's signed ranks for cases.
        images: the number of images or cases scored.
    """

    points: float
    half_width: float
    p: float
    images: int

    @property
    def certain(self) -> bool:
        """Whether both the interval and the test rule out chance."""
        return self.p < _SIGNIFICANT and abs(self.points) > self.half_width


def difference(first: Sequence[bool] | NDArray, second: Sequence[bool] | NDArray) -> Difference:
    """The paired difference of two networks, from which images each gets right."""
    gained = np.asarray(first, np.int64) - np.asarray(second, np.int64)
    n, mean = len(gained), float(gained.mean())
    spread = math.sqrt(max(float((gained**2).mean()) - mean**2, 0.0) / n)
    won, lost = int((gained == 1).sum()), int((gained == -1).sum())
    return Difference(100 * mean, 100 * _NORMAL95 * spread, mcnemar(won, lost), n)


def score_difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> Difference:
    """The paired difference of two networks from their scores (N,) in [0, 1] per case; NaN where not defined.

    The interval is Student's t for the mean difference, which is the reported number. One failed case can dominate that
    mean, and a dozen cases do not show how far from normal the differences are. So a difference is called certain only
    if Wilcoxon's test, which uses ranks and assumes no normality, agrees. It needs at least six cases.
    """
    gained = (first - second)[~np.isnan(first - second)]
    if not len(gained):
        return Difference(0.0, 100.0, 1.0, 0)
    over_cases = interval((100.0 * gained).tolist())
    half_width = 100.0 if over_cases.half_width is None else over_cases.half_width
    return Difference(over_cases.mean, half_width, wilcoxon(gained), len(gained))


def mcnemar(won: int, lost: int) -> float:
    """The two-sided exact p-value of `won` against `lost` under a fair coin (McNemar 1947, with the binomial)."""
    from scipy import stats  # takes a second to import

    return float(stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0


def wilcoxon(gained: NDArray[np.float64]) -> float:
    """The two-sided exact p-value of signed ranks (Wilcoxon 1945); zeros are left out, ties share their mean rank.

    Not `scipy.stats.wilcoxon`: its exact method takes the distribution without ties (p = 0.84 instead of 1 for the
    differences 2, 1, 1, -1, -1, -1), and its permutations, which are exact, number 2^n.
    """
    from scipy import stats  # takes a second to import

    changed = gained[gained != 0.0]
    doubled = (2 * stats.rankdata(np.abs(changed))).astype(np.int64)  # twice the mean rank: whole numbers
    won, chance = int(doubled[changed > 0].sum()), np.ones(1)
    for rank in doubled.tolist():  # chance of each sum of the ranks that are won, if every sign is a fair coin
        chance = 0.5 * (np.pad(chance, (0, rank)) + np.pad(chance, (rank, 0)))
    return float(min(1.0, 2.0 * min(chance[: won + 1].sum(), chance[won:].sum())))


def paired_difference(
    run: Path, baseline: Path, part: str, headline: Headline = ACCURACY, networks: tuple[str, str] = ("", "")
) -> Difference:
    """How much better `run` is than `baseline` on the images or cases of a part.

    Args:
        networks: the network of each that is compared; "" is the evaluated one.

    Raises:
        RunError: they were scored on different ones.
    """
    images = headline.counted
    names = ("label", "predicted") if images else ("case", headline.key)
    (item, mine), (other, theirs) = (
        read_scored(path, part, *(of_network(name, network) for name in names))
        for path, network in zip((run, baseline), networks, strict=True)
    )
    if not np.array_equal(item, other):
        raise RunError(f"{run} and {baseline} cannot be compared: they were scored on other {part} {headline.item}s")
    return difference(mine == item, theirs == item) if images else score_difference(mine, theirs)
