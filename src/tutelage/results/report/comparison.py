"""The sections of a report about several runs together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tutelage.core.headlines import Headline, SecondScore
from tutelage.core.intervals import Interval, interval
from tutelage.core.names import enumerated, shown
from tutelage.results.report import terms
from tutelage.results.report.blocks import Block, Cell, Section, Table, Text
from tutelage.results.report.curves import accuracy_of_runs
from tutelage.results.report.kinds import SECTIONS
from tutelage.results.report.places import run_names, run_of_baseline, without_paths
from tutelage.results.report.repeat import flat
from tutelage.results.report.score_plots import label_efficiency_plot
from tutelage.results.report.scores import percent
from tutelage.run.baseline import SUPERVISED
from tutelage.run.run_record import RunRecord

_LEARNED = ("train", "unlabeled")  # parts of the data

# Settings in which runs of one method may differ and still form one curve.
_NEUTRAL = {
    "data.path",
    "data.labels",
    "data.unlabeled",
    "data.val",
    "data.test",
    "data.label_count",
    "scan.cache",
    "train.seed",
    "train.steps",
    "train.budget",
    "train.device",
    "train.baseline",
    "train.baseline_share",
    "train.baseline_steps",
} | {f"train.{name}" for name in ("workers", "log_every", "eval_every", "checkpoint_every")}


def curve_names(records: Sequence[RunRecord]) -> list[str]:
    """The name of the curve of each run: its method, and the settings in which it differs from others of that method.

    Runs whose settings differ only between numbers of labels, never at the same number, form one curve.
    """
    settings = [_compared(record) for record in records]
    names = []
    for record, own in zip(records, settings, strict=True):
        siblings = [(r.labels, s) for r, s in zip(records, settings, strict=True) if r.method == record.method]
        differing = [key for key in own if len({other.get(key) for _, other in siblings}) > 1]
        if len({count for count, _ in siblings}) == len({(count, *map(other.get, own)) for count, other in siblings}):
            differing = []
        parts = [f"{key.rpartition('.')[2]} {own[key]}" for key in differing[:2]]
        more = [f"{len(differing) - 2} more"] if len(differing) > 2 else []
        names.append(f"{record.method} ({', '.join(parts + more)})" if parts else record.method)
    return names


def _compared(record: RunRecord) -> dict[str, str]:
    """The settings that distinguish the curves of a method."""
    settings = flat(record.cfg.to_dict())
    derived = {"method.ema_decay"} if record.config["plan"].get("ema_decay") is not None else set()
    return {key: str(settings[key]) for key in settings if key not in _NEUTRAL | derived}


def _settings_by_labels(records: Sequence[RunRecord], names: Sequence[str]) -> list[Text]:
    """Notes on curves whose settings depend on the number of labels; curves with equal settings share a note."""
    curves_of: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        own = [(r.labels, _compared(r)) for r, other in zip(records, names, strict=True) if other == name]
        at, counts = dict(own), sorted(dict(own))
        if any(settings != at[count] for count, settings in own):  # the name does not show all differences
            continue
        keys = [key for key in at[counts[0]] if len({at[count].get(key) for count in counts}) > 1]
        if keys:
            curves_of[
                "; ".join(_by_value(key, {count: at[count].get(key) for count in counts}) for key in keys)
            ].append(shown(name))
    return [
        Text(f"Settings of {enumerated(curves)} that depend on the number of labels: {said}.")
        for said, curves in curves_of.items()
    ]


def _by_value(key: str, values: Mapping[int, Any]) -> str:
    """`optimizer.lr 0.1 with 40 and 250 labels, 0.2 with 4,000 labels`, from the value for each number of labels."""
    counts: dict[Any, list[str]] = defaultdict(list)
    for count, value in values.items():
        counts[value].append(f"{count:,}")
    return f"{key} " + ", ".join(
        f"{value} with {enumerated(at)} label{'' if at == ['1'] else 's'}" for value, at in counts.items()
    )


def comparison_sections(records: Sequence[RunRecord]) -> list[Section]:
    """Means over seeds by method and number of labels, curves, and one row per run."""
    names = [without_paths(name, records) for name in curve_names(records)]
    scored = [(name, r) for name, r in zip(names, records, strict=True) if r.scored]
    parts = {r.part for _, r in scored}
    blocks: list[Block] = [Text(f"Caution: {warning}") for warning in _warnings(records, parts)]
    curves: dict[str, dict[int, Interval]] = {}
    scores = {r.headline for r in records}
    if scored and len(parts) == len(scores) == 1:
        part = str(parts.pop())
        curves = _means(scored)
        blocks.append(_table_of_means(curves, part, records[0].headline))
        if len({count for points in curves.values() for count in points}) > 1:
            blocks.append(label_efficiency_plot(curves, "label-efficiency", part, records[0].headline))
            blocks += _settings_by_labels([r for _, r in scored], [name for name, _ in scored])
    learning = accuracy_of_runs(records, names, "accuracy-of-runs") if len(scores) == 1 else None
    if learning is not None:
        blocks.append(learning)
    runs = Section("Runs", (_table_of_runs(records, names),))
    pictures: list[Section] = []
    for name, sections in SECTIONS.items():
        pictures += sections.comparison_pictures([record for record in records if record.kind.name == name])
    return [Section("Comparison", tuple(blocks)), *pictures, runs]


def _means(scored: Sequence[tuple[str, RunRecord]]) -> dict[str, dict[int, Interval]]:
    values: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, record in scored:
        score = record.score_of(record.evaluated)
        if score is not None:
            values[name][record.labels].append(score)
    return {name: {count: interval(v) for count, v in points.items()} for name, points in values.items()}


def _table_of_means(curves: dict[str, dict[int, Interval]], part: str, score: Headline) -> Table:
    counts = sorted({count for points in curves.values() for count in points})
    rows = []
    for name, points in curves.items():
        cells = [_mean_cell(points.get(count)) for count in counts]
        rows.append((Cell(shown(name)), *cells))
    columns = ("method", *(f"{count:,} labels" for count in counts))
    return Table(columns, tuple(rows), f"{part.capitalize()} {score.words}: mean ± standard deviation (number of runs)")


def _mean_cell(found: Interval | None) -> Cell:
    if found is None:
        return Cell("–")
    spread = "" if found.std is None else f" ± {100 * found.std:.1f}"
    return Cell(f"{100 * found.mean:.1f}{spread}% ({found.n})", found.mean)


def _table_of_runs(records: Sequence[RunRecord], names: Sequence[str]) -> Table:
    rows = []
    for record, name, run in zip(records, names, run_names(records), strict=True):
        scores = record.scores
        steps = f"{record.steps_done:,}" if record.result else f"{record.steps_done:,} of {record.cfg.train.steps:,}"
        rows.append(
            (
                Cell(shown(run)),
                Cell(shown(name)),
                Cell(f"{record.labels:,}"),
                Cell(str(record.cfg.train.seed)),
                Cell(steps),
                Cell(percent(scores.get(record.headline.key)), scores.get(record.headline.key)),
                Cell(_second(record.headline.second, scores)),
                Cell(f"{scores['n']:,} {record.part}" if scores else "–"),
            )
        )
    kinds = {record.headline: _second_title(record.headline.second) for record in records}
    first, second = (" or ".join(names) for names in zip(*((h.words, s) for h, s in kinds.items()), strict=True))
    columns = ("run", "method", "labels", "seed", "steps", first, second, "scored on")
    return Table(columns, tuple(rows), _about_runs(records), texts=2)


def _about_runs(records: Sequence[RunRecord]) -> str:
    """What the words of the table of runs mean."""
    pool = records[0].headline.pool
    about = ["Steps are optimizer steps."]
    if any(record.method == SUPERVISED for record in records):
        about.append(f"The method supervised learns from the labels alone, without unlabeled {pool}.")
    if any(record.headline.second.key == "ece" for record in records):
        about.append(f"{terms.ECE}.")
    if any(run_of_baseline(record) is not None for record in records):
        about.append("A run's supervised baseline is named RUN/baseline.")
    return " ".join(about)


def _second_title(second: SecondScore) -> str:
    return f"{second.words}, {second.unit}" if second.unit == "mm" else second.words


def _second(second: SecondScore, scores: Mapping[str, Any]) -> str:
    value = scores.get(second.key)
    if second.unit == "%":
        return percent(value)
    return "–" if value is None else f"{value:.2f}"


def _differ(records: Sequence[RunRecord], roles: Sequence[str]) -> bool:
    """Whether the runs differ in the names, labels or contents of these parts of their data."""
    return len({repr(_contents(record.data, roles)) for record in records}) > 1


def _contents(data: Mapping[str, Any], roles: Sequence[str]) -> list[Any]:
    parts = data.get("parts")
    return [data["classes"], *(parts.get(role) for role in roles)] if parts else [data["fingerprint"]]


def _warnings(records: Sequence[RunRecord], parts: set[str | None]) -> list[str]:
    found, pool = [], records[0].headline.pool
    if _differ(records, _LEARNED):
        found.append("these runs were trained on different data, so their numbers cannot be compared.")
    elif _differ([record for record in records if record.part == "test"], ("test",)):
        found.append(f"these runs were scored on different test {pool}, so their numbers cannot be compared.")
    if len(parts) > 1:
        found.append(f"some runs are scored on test {pool}, others on validation {pool}: there is no common table.")
    if len({record.headline for record in records}) > 1:
        found.append("these runs have different tasks, so there is no common table.")
    unfinished = [name for name, record in zip(run_names(records), records, strict=True) if record.result is None]
    if unfinished:
        found.append(f"not finished yet: {', '.join(shown(name) for name in unfinished)}.")
    return found
