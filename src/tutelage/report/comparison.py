"""What a report says of several runs together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from tutelage.data.names import shown
from tutelage.intervals import Interval, interval
from tutelage.report.blocks import Block, Cell, Section, Table, Text
from tutelage.report.curves import accuracy_of_runs
from tutelage.report.record import Record
from tutelage.report.repeat import flat
from tutelage.report.score_plots import label_efficiency_plot
from tutelage.report.scores import percent

# What runs of one method may differ in and still be drawn as one curve.
_NEUTRAL = {"data.path", "data.label_count", "train.seed", "train.steps", "train.budget", "train.device"} | {
    f"train.{name}" for name in ("workers", "log_every", "eval_every", "checkpoint_every")
}


def curve_names(records: Sequence[Record]) -> list[str]:
    """The name of each run's curve: its method, and the settings by which it differs from others of that method."""
    settings = [{k: v for k, v in flat(r.cfg.to_dict()).items() if k not in _NEUTRAL} for r in records]
    names = []
    for record, own in zip(records, settings, strict=True):
        siblings = [other for other in settings if other["method.name"] == record.cfg.method]
        differing = [key for key in own if any(str(other.get(key)) != str(own[key]) for other in siblings)]
        parts = [f"{key.rpartition('.')[2]} {own[key]}" for key in differing[:2]]
        more = [f"{len(differing) - 2} more"] if len(differing) > 2 else []
        names.append(f"{record.cfg.method} ({', '.join(parts + more)})" if parts else record.cfg.method)
    return names


def comparison_sections(records: Sequence[Record]) -> list[Section]:
    """Means over seeds by method and number of labels, curves, and a row a run."""
    names = curve_names(records)
    scored = [(name, r) for name, r in zip(names, records, strict=True) if r.scores is not None and r.scores["n"]]
    parts = {r.part for _, r in scored}
    blocks: list[Block] = [Text(f"Careful: {warning}") for warning in _warnings(records, parts)]
    curves: dict[str, dict[int, Interval]] = {}
    if scored and len(parts) == 1:
        part = str(parts.pop())
        curves = _means(scored)
        blocks.append(_table_of_means(curves, part))
        if len({count for points in curves.values() for count in points}) > 1:
            blocks.append(label_efficiency_plot(curves, "label-efficiency", part))
    learning = accuracy_of_runs(records, names, "accuracy-of-runs")
    if learning is not None:
        blocks.append(learning)
    return [Section("Comparison", tuple(blocks)), Section("Runs", (_table_of_runs(records, names),))]


def _means(scored: Sequence[tuple[str, Record]]) -> dict[str, dict[int, Interval]]:
    values: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, record in scored:
        assert record.scores is not None
        values[name][record.labels].append(float(record.scores["accuracy"]))
    return {name: {count: interval(v) for count, v in points.items()} for name, points in values.items()}


def _table_of_means(curves: dict[str, dict[int, Interval]], part: str) -> Table:
    counts = sorted({count for points in curves.values() for count in points})
    rows = []
    for name, points in curves.items():
        cells = [_mean_cell(points.get(count)) for count in counts]
        rows.append((Cell(shown(name)), *cells))
    columns = ("method", *(f"{count:,} labels" for count in counts))
    return Table(columns, tuple(rows), f"{part} accuracy: mean ± standard deviation (number of runs)".capitalize())


def _mean_cell(found: Interval | None) -> Cell:
    if found is None:
        return Cell("–")
    spread = "" if found.std is None else f" ± {100 * found.std:.1f}"
    return Cell(f"{100 * found.mean:.1f}{spread} % ({found.n})", found.mean)


def _table_of_runs(records: Sequence[Record], names: Sequence[str]) -> Table:
    rows = []
    for record, name in zip(records, names, strict=True):
        scores: dict[str, Any] = record.scores or {}
        steps = f"{record.steps_done:,}" if record.result else f"{record.steps_done:,} of {record.cfg.train.steps:,}"
        rows.append(
            (
                Cell(shown(record.name)),
                Cell(shown(name)),
                Cell(f"{record.labels:,}"),
                Cell(str(record.cfg.train.seed)),
                Cell(steps),
                Cell(percent(scores.get("accuracy")), scores.get("accuracy")),
                Cell(percent(scores.get("ece"))),
                Cell(f"{scores['n']:,} {record.part}" if scores else "–"),
            )
        )
    columns = ("run", "method", "labels", "seed", "steps", "accuracy", "calibration error", "scored on")
    return Table(columns, tuple(rows), texts=2)


def _warnings(records: Sequence[Record], parts: set[str | None]) -> list[str]:
    found = []
    if len({record.config["data"]["fingerprint"] for record in records}) > 1:
        found.append("these runs were trained on different data, so their numbers cannot be compared.")
    if len(parts) > 1:
        found.append("some runs are scored on test images, others on validation images: there is no common table.")
    unfinished = [record.name for record in records if record.result is None]
    if unfinished:
        found.append(f"not finished yet: {', '.join(shown(name) for name in unfinished)}.")
    return found
