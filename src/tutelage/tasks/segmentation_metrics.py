"""The scores of segmentations: per class, per case, and overall."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tutelage.core.errors import DataError, NonFiniteError
from tutelage.tasks.base import Metrics
from tutelage.tasks.overlap import DISTANCE_SCORES, OVERLAPS, class_scores
from tutelage.tasks.own_metrics import OwnMetric

EMPTY = ("prediction", "reference", "both")


class SegmentationMetrics(Metrics):
    """Scores each case as it arrives, and keeps only the scores, not the volumes.

    Args:
        classes: class names; the first is background, which is not scored.
        distances: also compute surface distances, which takes most of the time.
        decide: maps probabilities (B, K, *S) to classes (B, *S).
        own_metrics: functions of (probs, labels), called once per case if probabilities are given.
    """

    def __init__(
        self,
        classes: Sequence[str],
        *,
        distances: bool = True,
        decide: Callable[[Tensor], Tensor] = lambda probs: probs.argmax(1),
        own_metrics: tuple[OwnMetric, ...] = (),
    ) -> None:
        self.classes, self.decide = tuple(classes), decide
        self.scores = (*OVERLAPS, *(DISTANCE_SCORES if distances else ()))
        self.own_metrics = own_metrics
        self._cases: list[dict[str, Any]] = []

    def update(
        self,
        probs: Tensor,
        label: Tensor,
        *,
        spacing: Sequence[float] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        """Add a batch of whole cases.

        Args:
            probs: (B, K, *S) summing to 1 over K, or predicted classes (B, *S).
            label: (B, *S) int64; voxels with -1 are left out of both masks.
            spacing: voxel size in mm along each axis; None is 1 mm.
            names: names of the cases; None numbers them.

        Raises:
            DataError: the shapes differ, or a label is not a class.
            NonFiniteError: a probability is NaN or infinite.
        """
        if probs.ndim == label.ndim + 1 and not bool(probs.isfinite().all()):
            raise NonFiniteError("a predicted probability is NaN or infinite: the network is broken")
        predicted = self.decide(probs) if probs.ndim == label.ndim + 1 else probs
        if predicted.shape != label.shape:
            raise DataError(f"predictions {tuple(predicted.shape)} and labels {tuple(label.shape)} differ in shape")
        spacing = (1.0,) * (label.ndim - 1) if spacing is None else tuple(spacing)
        for row, (guess, true) in enumerate(zip(predicted.cpu().numpy(), label.cpu().numpy(), strict=True)):
            name = str(len(self._cases)) if names is None else names[row]
            scores = self._case(guess, true, spacing)
            if probs.ndim == label.ndim + 1:
                one = slice(row, row + 1)
                scores |= {metric.name: metric(probs[one].cpu(), label[one].cpu()) for metric in self.own_metrics}
            self._cases.append({"case": name, **scores})

    def _case(self, predicted: NDArray[Any], label: NDArray[Any], spacing: tuple[float, ...]) -> dict[str, Any]:
        least, most = int(label.min()), int(label.max())
        if least < -1 or most >= len(self.classes):
            raise DataError(f"labels must be in 0..{len(self.classes) - 1} (or -1 to ignore), got {least}..{most}")
        predicted = np.where(label == -1, 0, predicted)
        distances = len(self.scores) > len(OVERLAPS)
        by_class = {
            name: class_scores(predicted == k, label == k, spacing, distances=distances)
            for k, name in enumerate(self.classes)
            if k > 0
        }
        return {**{s: _mean(row[s] for row in by_class.values()) for s in self.scores}, "classes": by_class}

    def compute(self) -> dict[str, Any]:
        """All scores of the cases, ready for JSON; None for scores that are undefined in all cases.

        A case's score is the mean over the foreground classes for which it is defined. A mean over cases includes only
        the cases for which the score is defined; `*_cases` is their number.

        Returns:
            n: number of cases.
            dice, jaccard, hd95_pooled_mm, ...: mean over cases of each score of `class_scores`, each with `*_std`,
                the standard deviation over cases, and `*_cases`.
            empty_predictions: how often a class was not predicted in a case that contains it.
            empty_references: how often a class was predicted in a case that does not contain it.
            both_empty: how often a class was neither predicted nor present. Dice is undefined then, and never counted
                as perfect.
            per_class: for each foreground class, each score with `mean`, `std` and `cases`, and the three counts.
            per_case: for each case, its name, its scores, and `classes`, its scores by class.
            Each of `own_metrics`, by name: the mean over cases.
        """
        rows = {name: [case["classes"][name] for case in self._cases] for name in self.classes[1:]}
        out: dict[str, Any] = {"n": len(self._cases)}
        for score in self.scores:
            summary = _summary(case[score] for case in self._cases)
            out |= {score: summary["mean"], f"{score}_std": summary["std"], f"{score}_cases": summary["cases"]}
        out |= _empty_counts(row for class_rows in rows.values() for row in class_rows)
        out["per_class"] = {
            name: {
                **{score: _summary(row[score] for row in class_rows) for score in self.scores},
                **_empty_counts(class_rows),
            }
            for name, class_rows in rows.items()
        }
        out["per_case"] = self._cases
        out |= {metric.name: _mean(case.get(metric.name) for case in self._cases) for metric in self.own_metrics}
        return out

    def items(self) -> dict[str, NDArray[Any]]:
        """Arrays with one row per case: `case`, its name, and the class mean of each score, NaN if undefined."""
        arrays: dict[str, NDArray[Any]] = {"case": np.array([case["case"] for case in self._cases], dtype=np.str_)}
        for score in self.scores:
            values = [case[score] for case in self._cases]
            arrays[score] = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        return arrays


def _mean(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return statistics.fmean(defined) if defined else None


def _summary(values: Iterable[float | None]) -> dict[str, Any]:
    defined = [value for value in values if value is not None]
    std = statistics.stdev(defined) if len(defined) > 1 else None
    return {"mean": _mean(defined), "std": std, "cases": len(defined)}


def _empty_counts(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    empty = [row["empty"] for row in rows]
    predictions, references, both = (empty.count(which) for which in EMPTY)
    return {"empty_predictions": predictions, "empty_references": references, "both_empty": both}
