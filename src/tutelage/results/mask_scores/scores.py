"""Scoring masks of any tool against reference masks, and the result with its tables."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tutelage.config.settings import require
from tutelage.core.errors import DataError
from tutelage.core.names import shown, to_cell
from tutelage.core.tables import csv_bytes
from tutelage.core.wording import named
from tutelage.results.mask_scores.case_scores import COUNTS, MASK_SCORES, CaseScores, score_masks
from tutelage.results.mask_scores.classes import MaskClasses, choose_classes
from tutelage.results.mask_scores.pairs import MaskPairs, pair_masks
from tutelage.results.mask_scores.reading import read_mask_case
from tutelage.results.mask_scores.summary import compare_masks, summarize_masks

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class MaskScoring:
    """How masks are scored.

    Attributes:
        tolerance: of the surface Dice, in mm.
        classes: names in the order of the values 0, 1, ..., or `name=value`; by default those in `labels.json` beside
            the predictions, or the values in the masks.
        ignore_label: value of reference voxels that are not scored.
        spacing: of masks without a geometry, in mm along each axis; 1 mm by default.

    Raises:
        ConfigError: the tolerance is no number of mm.
    """

    tolerance: float = 2.0
    classes: Sequence[str] = ()
    ignore_label: int | None = None
    spacing: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require(0.0 <= self.tolerance < float("inf"), named("tolerance"), "a number of mm, at least 0", self.tolerance)


@dataclass(frozen=True, repr=False)
class MaskScores:
    """The scores of a set of masks, and of another one on the same cases if there is one.

    Attributes:
        classes: names; the first is background and not scored.
        tolerance: of the surface Dice, in mm.
        cases, against: scores by case and class, of the set and of the other one; see `score_masks`.
        warnings: what is not scored, or was decided.
    """

    classes: tuple[str, ...]
    tolerance: float
    cases: dict[str, CaseScores]
    against: dict[str, CaseScores] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        mean = next(reversed(self.per_class.values()))["dice"]["mean"]
        dice = "undefined" if mean is None else f"{mean:.4g}"
        return f"<MaskScores: {len(self.cases)} cases, {len(self.classes) - 1} classes, dice {dice}>"

    @functools.cached_property
    def per_class(self) -> dict[str, dict[str, Any]]:
        """By class and score: `mean`, `std`, `low`, `high`, `cases`; see `summarize_masks`."""
        return summarize_masks(self.cases, self.classes)

    @functools.cached_property
    def differences(self) -> dict[str, dict[str, Any]]:
        """By class and score, this set minus the other one; see `compare_masks`. Empty without another set."""
        return compare_masks(self.cases, self.against, self.classes) if self.against else {}

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "n": len(self.cases),
            "classes": list(self.classes),
            "tolerance_mm": self.tolerance,
            "warnings": list(self.warnings),
            "per_class": self.per_class,
            "per_case": self.cases,
            **({"against": {"differences": self.differences, "per_case": self.against}} if self.against else {}),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per set, case, and class, with all scores."""
        import pandas as pd

        return pd.DataFrame(self._rows(), columns=self._columns())

    def case_table(self) -> bytes:
        """The same as CSV."""
        rows = [
            row | {"case": to_cell(row["case"])} | {name: _number(row[name]) for name in (*MASK_SCORES, *COUNTS)}
            for row in self._rows()
        ]
        return csv_bytes(rows, self._columns())

    def _columns(self) -> list[str]:
        return ["set", "case", "class", *MASK_SCORES, *COUNTS, "empty"]

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {"set": name, "case": case, "class": label, **{key: row[key] for key in (*MASK_SCORES, *COUNTS, "empty")}}
            for name, cases in (("predicted", self.cases), ("against", self.against))
            for case, classes in cases.items()
            for label, row in classes.items()
        ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def score_mask_sets(
    predicted: str | Path,
    reference: str | Path,
    *,
    how: MaskScoring,
    against: str | Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> MaskScores:
    """The scores of masks against the reference masks of the same names.

    All masks are read once before the first is scored, so that all faults are named at once.

    Args:
        against: other masks for the same references, for a paired comparison.
        tell: receives a line for each case that is scored.

    Raises:
        DataError: with all faults: masks that are missing, cannot be read, lie on other grids, or hold other values.
        ConfigError: a setting is out of range.
    """
    pairs = pair_masks([predicted, *([] if against is None else [against])], reference)
    warnings: list[str] = list(pairs.warnings)
    known = _classes(pairs, predicted, how, warnings)
    sets: list[dict[str, CaseScores]] = [{} for _ in pairs.pairs[0].predicted]
    for number, pair in enumerate(pairs.pairs, start=1):
        case = read_mask_case(pair, how.spacing, lambda line: None)
        true = known.indices(case.reference)
        for scores, mask in zip(sets, case.predicted, strict=True):
            scores[case.name] = score_masks(known.indices(mask), true, known.names, case.spacing, how.tolerance)
        tell(f"{number} of {len(pairs.pairs)}: {shown(case.name)}")
    return MaskScores(known.names, how.tolerance, sets[0], sets[1] if len(sets) > 1 else {}, tuple(warnings))


def _classes(pairs: MaskPairs, predicted: str | Path, how: MaskScoring, warnings: list[str]) -> MaskClasses:
    """The classes, after all masks have been read once.

    Raises:
        DataError: with all faults.
    """
    faults: list[str] = []
    seen: dict[str, tuple[set[int], set[int]]] = {}
    for pair in pairs.pairs:
        try:
            case = read_mask_case(pair, how.spacing, warnings.append)
        except DataError as error:
            faults += error.faults
            continue
        values = [{int(value) for value in np.unique(mask)} for mask in (case.reference, *case.predicted)]
        seen[pair.name] = values[0], set().union(*values[1:])
    if faults:
        raise DataError(faults)
    known = choose_classes(
        how.classes,
        predicted,
        references=set().union(*(references for references, _ in seen.values())),
        predictions=set().union(*(predictions for _, predictions in seen.values())),
        ignore_label=how.ignore_label,
    )
    for name, (references, predictions) in seen.items():
        for what, held in (("reference", references), ("predicted mask", predictions)):
            if (fault := known.fault(name, what, held)) is not None:
                faults.append(fault)
    if len(known.names) < 2:
        faults.append("the masks hold background only: expected label values above 0")
    if faults:
        raise DataError(faults)
    warnings += [known.warning] if known.warning else []
    return known
