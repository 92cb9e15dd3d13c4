"""Whether the unlabeled images helped, as boxes in a report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tutelage.core.errors import TutelageError
from tutelage.core.names import shown
from tutelage.results.report.blocks import Block, Finding, Text
from tutelage.results.report.comparison import curve_names
from tutelage.results.verdict.verdict import Verdict, judge
from tutelage.run.baseline import SUPERVISED
from tutelage.run.run_record import RunRecord

_TONES: dict[str, Literal["good", "plain", "bad"]] = {"helped": "good", "hurt": "bad"}


def finding(verdict: Verdict, headline: str) -> Finding:
    """A box with the verdict as its headline, the reasons, and what to try for each."""
    reasons = tuple((shown(why), shown(flag)) for why, flag in zip(verdict.reasons, verdict.flags, strict=True))
    return Finding(headline, reasons, _TONES.get(verdict.outcome, "plain"))


def findings(verdicts: Sequence[Verdict]) -> list[Block]:
    """One box per verdict."""
    return [finding(v, f"{v.method}, {v.labels:,} labels: {v.headline}") for v in verdicts]


def judge_all(records: Sequence[RunRecord]) -> tuple[list[Verdict], list[Block]]:
    """Verdicts on all runs that have a supervised baseline among `records`, and notes on why others have none.

    A baseline has the same labels, data and seed.
    """
    baselines = {_draw(record): record.path for record in records if record.method == SUPERVISED}
    groups: dict[tuple[str, int], list[tuple[Path, Path]]] = defaultdict(list)
    for name, record in zip(curve_names(records), records, strict=True):
        if record.unlabeled and record.result is not None and _draw(record) in baselines:
            groups[name, record.labels].append((record.path, baselines[_draw(record)]))
    verdicts: list[Verdict] = []
    notes: list[Block] = []
    for (name, labels), pairs in groups.items():
        try:
            verdicts.append(judge(pairs))
        except TutelageError as error:
            notes.append(Text(f"{shown(name)}, {labels:,} labels: {shown(str(error))}", muted=True))
    return verdicts, notes


def _draw(record: RunRecord) -> tuple[object, ...]:
    """What a run and its baseline have in common."""
    labels = (tuple(record.split["labeled"]), tuple(record.split["held_out"]))
    return record.data["fingerprint"], record.cfg.train.seed, labels
