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
from tutelage.results.verdict.diagnosis import remedies
from tutelage.results.verdict.guessing import guess_of
from tutelage.results.verdict.verdict import Verdict, judge
from tutelage.run.baseline import SUPERVISED
from tutelage.run.run_record import RunRecord

_TONES: dict[str, Literal["good", "plain", "bad"]] = {"helped": "good", "hurt": "bad"}


def finding(verdict: Verdict, headline: str) -> Finding:
    """A box with the verdict as its headline, the reasons, and what to try for each."""
    reasons = tuple((shown(why), shown(flag)) for why, flag in zip(verdict.reasons, verdict.flags, strict=True))
    return Finding(headline, reasons, "bad" if verdict.guessing else _TONES.get(verdict.outcome, "plain"))


def findings(verdicts: Sequence[Verdict]) -> list[Block]:
    """One box per verdict, each with its remarks."""
    blocks: list[Block] = []
    for v in verdicts:
        blocks.append(finding(v, f"{v.method}, {v.labels:,} labels: {v.headline}"))
        blocks += [Text(remark, muted=True) for remark in v.remarks]
    return blocks


def guess_finding(record: RunRecord) -> Finding | None:
    """A box that says so if a run without a verdict is no better than guessing, with what to try."""
    guess = guess_of(record) if record.finished else None
    if guess is None or not guess.no_better:
        return None
    reasons = tuple((shown(reason.evidence), shown(reason.flag)) for reason in remedies(record))
    return Finding(guess.sentence[:1].upper() + guess.sentence[1:], reasons, "bad")


def judge_all(records: Sequence[RunRecord]) -> tuple[list[Verdict], list[Block]]:
    """Verdicts on all runs that have a supervised baseline among `records`, and notes on why others have none.

    A baseline has the same labels, data and seed; a run's own comes before others. Where a network was fine-tuned, the
    heads are compared, which were trained alike.
    """
    records = [RunRecord(record.home) for record in records]
    baselines = {_draw(record): record.path for record in records if record.method == SUPERVISED}
    groups: dict[tuple[str, int], list[tuple[Path, Path]]] = defaultdict(list)
    for name, record in zip(curve_names(records), records, strict=True):
        baseline = baselines.get(_draw(record)) if record.baseline is None else record.baseline.path
        if record.unlabeled and record.result is not None and baseline is not None:
            groups[name, record.labels].append((record.path, baseline))
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
