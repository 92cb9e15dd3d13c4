"""Scores of many cases in a few numbers: means with their spread, and paired differences of two sets of masks."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tutelage.results.mask_scores.case_scores import MASK_SCORES, CaseScores

ALL = "all classes"
RESAMPLES = 10_000
_AT_ONCE = 2**20  # values that are drawn at a time


def summarize_masks(cases: Mapping[str, CaseScores], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By class and score: mean, std over cases, low and high of the mean's 95% interval, and the number of cases.

    The class `ALL` is the mean over the classes of each case. Undefined scores are left out.
    """
    return {
        name: {score: _summary(list(values_of(cases, name, score).values())) for score in MASK_SCORES}
        for name in (*names[1:], *([ALL] if len(names) > 2 else []))
    }


def compare_masks(
    first: Mapping[str, CaseScores], second: Mapping[str, CaseScores], names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """By class and score: the mean over cases of first minus second, its 95% interval, and how likely chance is.

    `better` counts the cases in which the first is better, and `p` is that of Wilcoxon's signed ranks, with two sides.
    """
    return {
        name: {
            score: _difference(values_of(first, name, score), values_of(second, name, score), how.higher)
            for score, how in MASK_SCORES.items()
        }
        for name in (*names[1:], *([ALL] if len(names) > 2 else []))
    }


def values_of(cases: Mapping[str, CaseScores], name: str, score: str) -> dict[str, float]:
    """A score of a class, or its mean over all classes, by case, where it is defined."""
    found: dict[str, float] = {}
    for case, classes in cases.items():
        rows = classes.values() if name == ALL else [classes[name]]
        defined = [row[score] for row in rows if row[score] is not None]
        if defined:
            found[case] = statistics.fmean(defined)
    return found


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95% interval of the mean of independent values, by the percentile bootstrap; None for fewer than two values.

    The same values give the same interval. With fewer than about ten, it is too narrow (Efron & Tibshirani 1993,
    chapter 13).
    """
    if len(values) < 2:
        return None
    from scipy import stats  # takes a second to import

    block = max(1, _AT_ONCE // len(values))
    how = {"method": "percentile", "n_resamples": RESAMPLES, "batch": block, "random_state": 0}
    low, high = stats.bootstrap((np.asarray(values, np.float64),), np.mean, **how).confidence_interval
    return float(low), float(high)


def _summary(values: list[float]) -> dict[str, Any]:
    low, high = bootstrap_interval(values) or (None, None)
    mean = statistics.fmean(values) if values else None
    std = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": mean, "std": std, "low": low, "high": high, "cases": len(values)}


def _difference(first: Mapping[str, float], second: Mapping[str, float], higher: bool) -> dict[str, Any]:
    gains = [first[case] - second[case] for case in first if case in second]
    summary = _summary(gains)
    better = sum(gain > 0 if higher else gain < 0 for gain in gains)
    return summary | {"better": better, "p": _wilcoxon(gains)}


def _wilcoxon(gains: Sequence[float]) -> float | None:
    if len(gains) < 2:
        return None
    if not any(gains):
        return 1.0
    from scipy import stats  # takes a second to import

    return float(stats.wilcoxon(gains).pvalue)
