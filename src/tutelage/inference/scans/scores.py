"""The scores of a segmenter on labeled scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from tutelage.core.console import name_column, warn
from tutelage.core.errors import DataError, is_out_of_memory
from tutelage.core.names import first_of, shown, to_cell
from tutelage.core.tables import csv_bytes
from tutelage.core.third_party import TOO_LARGE
from tutelage.data.scans.items import Case
from tutelage.data.scans.reading import read_case
from tutelage.data.scans.scan_set import ScanLook, class_table
from tutelage.data.scans.source import list_scans
from tutelage.data.scans.survey import survey_scans
from tutelage.inference.model import Scores, Tell
from tutelage.inference.scans.prediction import Segmenter
from tutelage.tasks.overlap import DISTANCE_SCORES, OVERLAPS
from tutelage.tasks.segmentation import Segmentation

_FORMS = {name: column for name, column in Segmentation.columns.items() if name in (*OVERLAPS, *DISTANCE_SCORES)}
_PER_CASE = ("dice", "hd95_pooled_mm", "hd95_max_directed_mm", "assd_pooled_mm")  # with a name in 80 columns
_MOST_COLUMNS = 4  # side by side
_COUNTS = {
    "empty_predictions": "present but not predicted",
    "empty_references": "predicted but not present",
    "both_empty": "neither present nor predicted",
}


@dataclass(frozen=True, eq=False, repr=False)
class ScanScores(Scores):
    """Metrics on labeled scans, with the scans."""

    counts = "scans"

    cases: Sequence[Case]

    def print(self, console: Console) -> None:
        """Print the scores of each class and their mean, as mean and std over cases, then one row per case."""
        print_scores(self.metrics, console)
        for name, value in self.own_values.items():
            console.print(f"{name}, mean over cases: {value}", markup=False)

    def case_table(self) -> bytes:
        """CSV with one row per case and class: all scores, and whether prediction or reference is empty."""
        return case_table(self.metrics)


def score_scans(
    model: Segmenter, data: str, *, labels: str | None, workers: int, tell: Tell | None = None
) -> ScanScores:
    """Score a segmenter on the labeled scans of a source, on the grid of their files.

    Raises:
        DataError: lists all problems: scans that cannot be read, label values that are not a class, no labels.
    """
    cases = labeled_cases(model, data, labels=labels, workers=workers, tell=tell)
    metrics, table = model.task.metrics(), class_table(model.values)
    for number, case in enumerate(cases, start=1):
        raw = read_case(case, model.scan)
        assert raw.label is not None
        try:
            probs = torch.from_numpy(model.segment(raw))[None]
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise DataError(f"{shown(case.place)} {TOO_LARGE}, once it is segmented") from error
        reference = torch.from_numpy(table[raw.label])[None]
        metrics.update(probs, reference, spacing=raw.geometry.spacing, names=[case.name])
        if tell is not None:
            tell(f"{number} of {len(cases)}: {shown(case.name)}")
    own = tuple(metric.name for metric in model.task.own_metrics)
    return ScanScores(model.classes, metrics.compute(), own, cases)


def labeled_cases(
    model: Segmenter, data: str, *, labels: str | None, workers: int, tell: Tell | None = None
) -> list[Case]:
    """The labeled scans of a source; if it has splits, those of its test split.

    Every file is read once, so that problems are reported before hours of prediction.

    Raises:
        DataError: lists all problems.
    """
    listing = list_scans(data, labels, role="test", channels=model.channels)
    cases = [case for case in listing.cases if case.label is not None]
    faults, warnings = list(listing.faults), list(listing.warnings)
    known: list[str] = []
    if not cases and not faults:
        faults.append(f"{shown(data)} has no labeled scans: expected images/ and labels/, or another source with masks")
    for case, look in zip(cases, survey_scans(cases, model.scan, workers=workers), strict=True):
        if not isinstance(look, ScanLook):
            faults += look
            continue
        faults += _faults(case, look, model)
        warnings += look.warnings
        known += [case.name] if look.digest in model.learned else []
    if faults:
        raise DataError(faults)
    if known:
        warnings.append(
            f"the model learned from the labels of {len(known)} of these {len(cases)} scans ({first_of(known)}): "
            "scores on them do not tell how good it is on others"
        )
    for warning in warnings:
        (tell or warn)(f"warning: {warning}")
    return cases


def _faults(case: Case, look: ScanLook, model: Segmenter) -> list[str]:
    faults, axes = [], len(look.placement.shape)
    if (look.channels, axes) != (model.channels, len(model.task.patch_size)):
        faults.append(
            f"{shown(case.place)} has {look.channels} channels and {axes} axes; the model expects {model.channels} and "
            f"{len(model.task.patch_size)}"
        )
    unknown = sorted(set(look.label_counts) - {*model.values, model.scan.ignore_label})
    if unknown:
        known = ", ".join(f"{value} {shown(name)}" for name, value in zip(model.classes, model.values, strict=True))
        faults.append(
            f"{shown(str(case.label))} contains the label value {unknown[0]}, which is not a class of the model; "
            f"known: {known}"
        )
    return faults


def print_scores(metrics: dict[str, Any], console: Console) -> None:
    """Print the scores of each class and their mean, as mean and std over cases, then one row per case."""
    columns = [(shown(name), {score: row[score] for score in _FORMS}) for name, row in metrics["per_class"].items()]
    mean = {score: {"mean": metrics[score], "std": metrics[f"{score}_std"]} for score in _FORMS}
    columns.append(("all classes", mean))
    for start in range(0, len(columns), _MOST_COLUMNS):
        part = columns[start : start + _MOST_COLUMNS]
        table = Table("mean ± std over cases", *(Column(Text(name), overflow="fold") for name, _ in part))
        for score, (title, form) in _FORMS.items():
            table.add_row(title, *(_spread(of[score]["mean"], of[score]["std"], form) for _, of in part))
        console.print(_right(table))
    cases = Table(name_column("case"), *(_FORMS[score][0] for score in _PER_CASE))
    for row in metrics["per_case"]:
        cells = (_cell(row[score], _FORMS[score][1]) for score in _PER_CASE)
        cases.add_row(Text(shown(row["case"])), *cells)
    console.print(_right(cases))
    for key, meaning in _COUNTS.items():
        if metrics[key]:
            console.print(f"classes of a case that were {meaning}: {metrics[key]}; these have no distances")


def _right(table: Table) -> Table:
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def case_table(metrics: dict[str, Any]) -> bytes:
    """CSV with one row per case and class: all scores, and whether prediction or reference is empty."""
    scores = (*OVERLAPS, *DISTANCE_SCORES)
    rows = [
        {"case": to_cell(case["case"]), "class": name, "empty": row["empty"] or ""}
        | {score: "" if row[score] is None else f"{row[score]:.6g}" for score in scores}
        for case in metrics["per_case"]
        for name, row in case["classes"].items()
    ]
    return csv_bytes(rows, ["case", "class", *scores, "empty"])


def _spread(mean: float | None, std: float | None, form: str) -> str:
    return _cell(mean, form) if std is None else f"{_cell(mean, form)} ± {form.format(std)}"


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
