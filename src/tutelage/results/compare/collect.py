"""Collecting the runs of a comparison into a table. Only runs on the same images are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tutelage.core.errors import RunError
from tutelage.core.headlines import ACCURACY, Headline
from tutelage.core.html import html_table
from tutelage.core.intervals import Interval, interval
from tutelage.results.compare.plan import Combination, Plan
from tutelage.run.baseline import SUPERVISED
from tutelage.run.run_record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

Part = Literal["test", "validation"]
_SAME = {  # keys of split.json that must agree between runs with the same seed and number of labels
    "classes": "classes",
    "labeled": "labeled images",
    "held_out": "held-out images",
    "train_images": "training images",
    "val_images": "validation images",
    "test_images": "test images",
}


@dataclass(frozen=True)
class MethodScores:
    """The scores of a method with a number of labels.

    Attributes:
        scores: the headline by seed, of the network that the method evaluates, after the last step.
        gain: headline minus that of supervised training on the same seed, in points; None where there is no pair.
        second: the score beside the headline, if tables of means show it; None where it is defined nowhere.
    """

    method: str
    label_count: int | None
    scores: Mapping[int, float]
    summary: Interval
    gain: Interval | None
    second: Interval | None = None

    @property
    def labels(self) -> str:
        """The number of labels, in words."""
        return "all" if self.label_count is None else str(self.label_count)


@dataclass(frozen=True, repr=False)
class ComparisonTable:
    """The results of a comparison, fewest labels first.

    Attributes:
        part: what was scored.
        images: the number of images or cases scored.
        seeds: the planned number; a cell may have fewer if runs failed or are missing.
        headline: the score that is compared.
    """

    part: Part
    images: int
    seeds: int
    cells: tuple[MethodScores, ...]
    headline: Headline = ACCURACY

    def to_frame(self) -> pd.DataFrame:
        """A table of `labels, method, mean, std, n, gain, gain_half_width`: percent and points, one row per cell.

        `n` counts seeds; the gain over supervised training is paired by seed, with its 95% interval.
        """
        import pandas as pd

        return pd.DataFrame([_row(cell) for cell in self.cells])

    def _repr_html_(self) -> str:
        rows = [
            (cell.labels, cell.method, f"{_points(cell.summary, '.1f')}%", len(cell.scores), _gained(cell))
            for cell in self.cells
        ]
        what = f"{self.headline.title} on {self.images:,} {self.part} {self.headline.item}s, mean ± std over seeds"
        return html_table(("labels", "method", self.headline.words, "seeds", f"gain over {SUPERVISED}"), rows, what)

    def __repr__(self) -> str:
        lines = [f"{self.headline.title} on {self.images} {self.part} {self.headline.item}s, mean ± std over seeds"]
        for cell in self.cells:
            gain = "" if cell.gain is None else f", gain over {SUPERVISED} {_points(cell.gain, '+.1f')} points"
            lines.append(f"  {cell.labels} labels, {cell.method}: {_points(cell.summary, '.1f')}%{gain}")
        return "\n".join(lines)


def _row(cell: MethodScores) -> dict[str, Any]:
    gain = (None, None) if cell.gain is None else (cell.gain.mean, cell.gain.half_width)
    names = ("labels", "method", "mean", "std", "n", "gain", "gain_half_width")
    return dict(
        zip(names, (cell.labels, cell.method, cell.summary.mean, cell.summary.std, cell.summary.n, *gain), strict=True)
    )


def _gained(cell: MethodScores) -> str:
    return "" if cell.gain is None else f"{_points(cell.gain, '+.1f')} points"


def _points(found: Interval, form: str) -> str:
    spread = found.half_width if form.startswith("+") else found.std
    return f"{found.mean:{form}}" + ("" if spread is None else f" ± {spread:.1f}")


def collect(plan: Plan, out: Path) -> ComparisonTable:
    """The table of the finished runs.

    Raises:
        RunError: no run is finished, a run is not part of the plan, or runs to compare differ in their images.
    """
    records = {one: record for one in plan.combinations if (record := RunRecord(out / one.name)).finished}
    if not records:
        raise RunError(f"no run in {out} is finished yet")
    refuse_strangers(records)
    part: Part = "test" if all("test" in record.final for record in records.values()) else "validation"
    for record in records.values():
        if part not in record.final:
            raise RunError(f"{record.path} has no score: there were no labeled {record.headline.pool} left to score on")
    headlines = {record.headline for record in records.values()}
    if len(headlines) > 1:
        raise RunError(
            f"runs in {out} are of different kinds: some have {' and some '.join(h.words for h in headlines)}"
        )
    headline = headlines.pop()
    metrics = {one: record.final[part][record.evaluated] for one, record in records.items()}
    for one, scores in metrics.items():
        if scores[headline.key] is None:
            raise RunError(
                f"{out / one.name} has no {headline.words}: no {part} {headline.item} holds any of its classes"
            )
    images = {int(scores["n"]) for scores in metrics.values()}
    cells = [
        _cell(method, count, metrics, headline, max(images))
        for count in plan.label_counts
        for method in plan.methods
        if any((one.method, one.label_count) == (method, count) for one in records)
    ]
    return ComparisonTable(part, max(images), len(plan.seeds), tuple(cells), headline)


def refuse_strangers(records: Mapping[Combination, RunRecord]) -> None:
    """Check that the runs are those of the plan, and were trained and scored on the same images.

    Raises:
        RunError: a run has the settings of another combination, two runs used different data, or two runs with the same
            seed and number of labels differ in labeled, held-out or scored images.
    """
    data: dict[str, Path] = {}
    first: dict[tuple[int | None, int], RunRecord] = {}
    for one, run in records.items():
        theirs = run.method, run.cfg.data.label_count, run.cfg.train.seed
        count = theirs[1] if one.label_count is None else one.label_count
        if theirs != (one.method, count, one.seed):
            raise RunError(f"{run.path} is another run: {theirs[0]} with {theirs[1]} labels on seed {theirs[2]}")
        data.setdefault(str(run.split.get("fingerprint")), run.path)
        if len(data) > 1:
            raise RunError(f"{' and '.join(map(str, data.values()))} cannot be compared: they differ in data")
        other = first.setdefault((one.label_count, one.seed), run)
        differing = [words for key, words in _SAME.items() if run.split.get(key) != other.split.get(key)]
        if differing:
            raise RunError(f"{run.path} and {other.path} cannot be compared: they differ in {', '.join(differing)}")


def _cell(
    method: str, count: int | None, metrics: Mapping[Combination, Mapping[str, Any]], headline: Headline, images: int
) -> MethodScores:
    def by_seed(of: str, key: str) -> dict[int, float]:
        runs = {one.seed: m[key] for one, m in metrics.items() if (one.method, one.label_count) == (of, count)}
        return {seed: float(value) for seed, value in runs.items() if value is not None}  # a distance may be undefined

    own, baseline = by_seed(method, headline.key), by_seed(SUPERVISED, headline.key)
    gains = [100.0 * (own[seed] - baseline[seed]) for seed in own if seed in baseline]
    grain = 100.0 / max(images, 1) if headline.counted else 0.0
    seconds = list(by_seed(method, headline.second.key).values()) if headline.second.averaged else []
    return MethodScores(
        method=method,
        label_count=count,
        scores=own,
        summary=interval([100.0 * value for value in own.values()]),
        gain=interval(gains, grain=grain) if gains and method != SUPERVISED else None,
        second=interval(seconds) if seconds else None,
    )
