"""Did the unlabeled images help? Runs compared with their supervised baselines, and the answer in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from markupsafe import Markup
from rich.console import Console

from tutelage.core.errors import RunError
from tutelage.core.headlines import ACCURACY, headline_of
from tutelage.core.html import cell, paragraph
from tutelage.core.intervals import Interval, interval
from tutelage.core.sealed import write_sealed
from tutelage.core.wording import option
from tutelage.results.verdict.diagnosis import DOUBT, MOST_REASONS, diagnose, lagging_baseline, remedies, short_baseline
from tutelage.results.verdict.evidence import Evidence
from tutelage.results.verdict.guessing import Guess, guess_of
from tutelage.results.verdict.networks import compared_networks, said_of
from tutelage.results.verdict.pairing import Difference, paired_difference
from tutelage.results.verdict.reason import Reason
from tutelage.run.run_record import RunRecord

FILE = "verdict.json"
Outcome = Literal["helped", "uncertain", "no measurable help", "hurt"]
_WIDE = 3.0  # points; a larger half width could hide a gain worth having


@dataclass(frozen=True)
class Verdict:
    """Whether unlabeled images helped, and if not, why.

    Attributes:
        labels: the number that the runs were given, including held-out ones.
        gain: points of the headline above supervised training.
        half_width: half the 95% interval of the paired gain: over seeds (Student's t), or over the scored images or
            cases, as `over` says. The latter holds only for these draws of the labels.
        part, images: what was scored, and the number of images or cases.
        outcome: "uncertain" is a gain that may be chance, or that the log contradicts.
        causes: the likeliest reasons if the images did not help, else caveats about the number.
        score: the headline's name in the metrics.
        gains: the gain of each seed.
        guessing: a sentence that says so if the runs are no better than guessing; it comes first then.
        baseline_score: the mean headline of the baselines, in [0, 1]; None in verdicts of older versions.
        notes: which networks were compared, where that is not plain.
    """

    method: str
    labels: int
    outcome: Outcome
    gain: float
    half_width: float
    seeds: int
    part: str
    images: int
    causes: tuple[Reason, ...]
    score: str = ACCURACY.key
    over: Literal["seeds", "items"] = "seeds"
    gains: tuple[float, ...] = ()
    guessing: str = ""
    baseline_score: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """The verdict in a sentence; that the runs are no better than guessing comes first."""
        return f"{self.guessing}; {self.gained}" if self.guessing else self.gained

    @property
    def gained(self) -> str:
        """What unlabeled images did, in a sentence."""
        score = headline_of({"headline": self.score})
        number = f"{self.gain:+.1f} ± {self.half_width:.1f} points of {score.words}"
        items = f"{self.images} {self.part} {score.item}s"
        basis = f"{self.seeds} seeds" if self.seeds > 1 else f"1 seed, {items}"
        if self.seeds > 1 and self.over == "items":
            each = ", ".join(f"{gain:+.1f}" for gain in self.gains)
            basis = f"each of {self.seeds} seeds: {each}; ± is over {items}, not over seeds"
        said = {
            "helped": f"unlabeled {score.pool} helped",
            "uncertain": f"unlabeled {score.pool} may have helped",
            "no measurable help": f"no measurable help from unlabeled {score.pool}",
            "hurt": f"unlabeled {score.pool} hurt",
        }[self.outcome]
        return f"{said}: {number} ({basis})"

    @property
    def reasons(self) -> tuple[str, ...]:
        """The evidence for each reason, the likeliest first."""
        return tuple(cause.evidence for cause in self.causes)

    @property
    def flags(self) -> tuple[str, ...]:
        """What to try for each reason, in the same order."""
        return tuple(cause.flag for cause in self.causes)

    def sentences(self) -> list[str]:
        """The headline with method and labels, then each reason with what to try."""
        first = f"{self.method}, {self.labels} labels: {self.headline}"
        return [first, *(f"{cause.evidence}. Try: {cause.flag}" for cause in self.causes)]

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes as sentences."""
        return tuple(f"{note[:1].upper()}{note[1:]}." for note in self.notes)

    def _repr_html_(self) -> str:
        first, *reasons = self.sentences()
        listed = Markup("").join(Markup("<li>{}</li>").format(cell(reason)) for reason in reasons)
        return paragraph(first) + (Markup("<ol>{}</ol>").format(listed) if reasons else Markup(""))


def judge(pairs: Sequence[tuple[Path, Path]]) -> Verdict:
    """The verdict on runs of one method and number of labels, each paired with its supervised baseline of that seed.

    Raises:
        RunError: a run is not finished, was scored on nothing, or was scored on other images than its baseline.
    """
    cases = [Evidence(RunRecord(run), RunRecord(baseline)) for run, baseline in pairs]
    for record in (record for case in cases for record in (case.run, case.baseline)):
        _ = record.final
        if not record.scored:
            raise RunError(f"no verdict on {record.path}: there were no labeled {record.headline.pool} to score on")
    first, score = cases[0].run, cases[0].headline
    part = str(first.part)
    networks = [compared_networks(case.run, case.baseline) for case in cases]
    differences = [
        paired_difference(case.run.path, case.baseline.path, part, score, pair)
        for case, pair in zip(cases, networks, strict=True)
    ]
    guessing = _guessing([guess_of(case.run, mine) for case, (mine, _) in zip(cases, networks, strict=True)])
    grain = 100.0 / max(differences[0].images, 1) if score.counted else 0.0
    over_seeds = interval([one.points for one in differences], grain=grain)
    half_width, certain, over = certainty(over_seeds, differences)
    outcome: Outcome = "no measurable help"
    if certain and over_seeds.mean != 0:
        outcome = "helped" if over_seeds.mean > 0 else "hurt"
    elif over_seeds.mean > max(_WIDE, half_width / 2):
        outcome = "uncertain"
    if guessing and outcome in ("helped", "uncertain"):
        outcome = "no measurable help"  # a baseline that is worse than guessing is no measure
    causes = [*diagnose(cases)]
    if outcome in ("helped", "uncertain"):
        doubts = (short_baseline(cases), lagging_baseline(cases, networks))
        causes += [doubt for doubt in doubts if doubt is not None]
    if outcome == "helped":
        causes = [cause for cause in causes if cause.strength >= DOUBT]
        outcome = "uncertain" if causes else "helped"
    elif not certain and half_width > _WIDE and not guessing:
        causes.append(_too_little_to_tell(half_width, len(cases), outcome, score.item))
    if certain and over == "items" and over_seeds.half_width is not None:
        causes.append(_few_draws(over_seeds.half_width, len(cases)))
    causes = sorted(causes, key=lambda cause: -cause.strength)[:MOST_REASONS]
    return Verdict(
        method=first.method,
        labels=first.labels,
        outcome=outcome,
        gain=over_seeds.mean,
        half_width=half_width,
        seeds=len(cases),
        part=part,
        images=differences[0].images,
        causes=tuple(causes),
        score=score.key,
        over=over,
        gains=tuple(one.points for one in differences),
        guessing=guessing,
        baseline_score=_mean_score([case.baseline for case in cases], [theirs for _, theirs in networks]),
        notes=_notes(cases, networks),
    )


def _guessing(found: Sequence[Guess | None]) -> str:
    """The sentence of the seed in the middle, if most seeds are no better than guessing."""
    known = sorted((guess for guess in found if guess is not None), key=lambda guess: guess.right)
    if 2 * sum(guess.no_better for guess in known) <= len(known):
        return ""
    worse = [guess for guess in known if guess.no_better]
    seeds = f" (from one seed; {len(worse)} of {len(found)} seeds are no better)" if len(found) > 1 else ""
    return worse[len(worse) // 2].sentence + seeds


def _mean_score(records: Sequence[RunRecord], networks: Sequence[str]) -> float:
    """The mean headline of a network of each run; "" is the evaluated one."""
    chosen = zip(records, networks, strict=True)
    scores = [record.score_of(network or record.evaluated) or 0.0 for record, network in chosen]
    return sum(scores) / len(scores)


def _notes(cases: Sequence[Evidence], networks: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Which networks were compared, where it is not the one that predicts."""
    found: dict[str, None] = {}
    for case, (mine, theirs) in zip(cases, networks, strict=True):
        seed = f" of seed {case.run.settings['train'].get('seed')}" if len(cases) > 1 else ""
        for name, record, network in (("run", case.run, mine), ("supervised baseline", case.baseline, theirs)):
            found[said_of(f"the {name}{seed}", record, network)] = None
    found[_said_of_tuned([case.run for case in cases])] = None
    return tuple(note for note in found if note)


def _said_of_tuned(runs: Sequence[RunRecord]) -> str:
    """That heads on the frozen network were compared, and not the fine-tuned networks that predict."""
    tuned = [run.best for run in runs if run.best is not run]
    if not tuned:
        return ""
    scores = ", ".join(f"{record.score:.1%}" for record in tuned if record.scored)
    reached = f" ({scores})" if scores else ""
    return (
        f"this compares the heads on the frozen network, with and without unlabeled images; the fine-tuned network, "
        f"which makes the predictions{reached}, has no supervised baseline"
    )


def certainty(over_seeds: Interval, differences: Sequence[Difference]) -> tuple[float, bool, Literal["seeds", "items"]]:
    """Half the interval of the mean gain, whether the gain is beyond chance, and what the interval is over.

    The interval is over seeds, by Student's t, which is very wide for few seeds. If the gain of each seed is certain by
    itself and all agree in sign, the gain is certain for these draws of the labels. The interval is then the mean of
    the seeds' own intervals, which is no narrower than the interval of their mean.
    """
    if over_seeds.half_width is not None and abs(over_seeds.mean) > over_seeds.half_width:
        return over_seeds.half_width, True, "seeds"
    agree = len({one.points > 0 for one in differences}) == 1
    if over_seeds.half_width is None or (agree and all(one.certain for one in differences)):
        half_width = sum(one.half_width for one in differences) / len(differences)
        return half_width, all(one.certain for one in differences), "items"
    return over_seeds.half_width, False, "seeds"


def _too_little_to_tell(half_width: float, seeds: int, outcome: Outcome, item: str) -> Reason:
    text = f"a gain below {half_width:.0f} points cannot be distinguished from chance here"
    flag = f"score more {item}s ({option('test')})" if seeds == 1 else f"more seeds: {option('seeds', 2 * seeds + 1)}"
    return Reason("too little to tell", text, flag, DOUBT if outcome == "uncertain" else 0.4)


def _few_draws(half_width: float, seeds: int) -> Reason:
    """A caveat for a gain that each seed shows, but with too few seeds to generalize."""
    text = (
        f"other draws of the labels may differ: over these {seeds} seeds, the mean gain is known to within "
        f"± {half_width:.0f} points"
    )
    return Reason("few draws", text, f"more seeds: {option('seeds', 2 * seeds + 1)}", 0.3)


def print_verdict(verdict: Verdict, console: Console) -> None:
    """Print headline and reasons."""
    headline, *reasons = verdict.sentences()
    console.print(headline)
    for number, sentence in enumerate(reasons, start=1):
        console.print(f"  {number}. {sentence}")
    if not reasons and verdict.outcome != "helped":
        console.print("  The logs do not show why.")
    for remark in verdict.remarks:
        console.print(f"  {remark}")


def print_guess(record: RunRecord, console: Console) -> None:
    """Say that a finished run is no better than guessing, and what to try, where that is true."""
    guess = guess_of(record) if record.finished else None
    if guess is None or not guess.no_better:
        return
    console.print(guess.sentence)
    for number, reason in enumerate(remedies(record), start=1):
        console.print(f"  {number}. {reason.evidence}. Try: {reason.flag}")


def write_verdict(verdict: Verdict, run: Path) -> None:
    """Write verdict.json into a run folder."""
    words = {"headline": verdict.headline, **dataclasses.asdict(verdict)}
    write_sealed(run / FILE, words)


def read_verdict(run: Path) -> Verdict | None:
    """The verdict in a run folder, or None if there is none.

    Raises:
        RunError: it is damaged.
    """
    values = RunRecord(run).verdict
    if values is None:
        return None
    try:
        values.pop("headline")
        causes = tuple(Reason(**cause) for cause in values.pop("causes"))
        gains, notes = (tuple(values.pop(name, ())) for name in ("gains", "notes"))
        return Verdict(**values, causes=causes, gains=gains, notes=notes)
    except (AttributeError, KeyError, TypeError):
        raise RunError(f"{run / FILE} is damaged: its keys and values are not those of a verdict") from None
