"""Gathering the runs of a comparison into a table; only runs on the same images are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tutelage.core.errors import RunError
from tutelage.core.files import read_json
from tutelage.core.headlines import ACCURACY, DICE, Headline, headline_of
from tutelage.core.intervals import Interval, interval
from tutelage.results.compare.execute import is_finished
from tutelage.results.compare.plan import Combination, Plan
from tutelage.run.folder import read_config

SUPERVISED = "supervised"
DISTANCE = "hd95_pooled_mm"  # of scans, beside Dice
Part = Literal["test", "validation"]
_SAME = {  # of split.json: what all runs on a seed and a number of labels must share
    "classes": "classes",
    "labeled": "labeled images",
    "held_out": "held-out images",
    "train_images": "training images",
    "val_images": "validation images",
    "test_images": "test images",
}


@dataclass(frozen=True)
class Cell:
    """A method at a number of labels.

    Attributes:
        scores: the headline by seed, of the network that the method evaluates, after the last step.
        gain: headline minus that of supervised training on the same seed, in points; None where there is no pair.
        distance: of scans, the pooled 95th percentile of surface distances in mm; None where it is defined nowhere.
    """

    method: str
    label_count: int | None
    scores: Mapping[int, float]
    summary: Interval
    gain: Interval | None
    distance: Interval | None = None

    @property
    def labels(self) -> str:
        """The number of labels, in words."""
        return "all" if self.label_count is None else str(self.label_count)


@dataclass(frozen=True)
class Table:
    """What came out of a comparison, few labels first.

    Attributes:
        part: what was scored.
        images: how many of them, images or cases.
        seeds: as planned; a cell may have fewer, if runs failed or are missing.
        headline: the score that is compared.
    """

    part: Part
    images: int
    seeds: int
    cells: tuple[Cell, ...]
    headline: Headline = ACCURACY


def collect(plan: Plan, out: Path) -> Table:
    """The table of the finished runs.

    Raises:
        RunError: no run is finished; one is not the plan's; or runs that are to be compared differ in their images.
    """
    finished = [one for one in plan.combinations if is_finished(out / one.name)]
    if not finished:
        raise RunError(f"no run in {out} is finished yet")
    refuse_strangers(finished, out)
    results = {one: read_json(out / one.name / "result.json") for one in finished}
    part: Part = "test" if all("test" in result for result in results.values()) else "validation"
    for one, result in results.items():
        if part not in result:
            raise RunError(
                f"{out / one.name} has no score: there were no labeled {headline_of(result).pool} left to score on"
            )
    headlines = {headline_of(result) for result in results.values()}
    if len(headlines) > 1:
        raise RunError(
            f"runs in {out} are of different kinds: some have {' and some '.join(h.words for h in headlines)}"
        )
    headline = headlines.pop()
    metrics = {one: result[part][result["evaluated"]] for one, result in results.items()}
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
        if any((one.method, one.label_count) == (method, count) for one in finished)
    ]
    return Table(part, max(images), len(plan.seeds), tuple(cells), headline)


def refuse_strangers(finished: Sequence[Combination], out: Path) -> None:
    """Check that the runs are those of the plan, and on the same images.

    Raises:
        RunError: the settings of a run are of another combination, two runs are of different data, or two on a seed and
            a number of labels differ in labeled, held-out or scored images.
    """
    data: dict[str, Path] = {}
    first: dict[tuple[int | None, int], tuple[Path, Mapping[str, Any]]] = {}
    for one in finished:
        run = out / one.name
        settings = read_config(run)["settings"]
        theirs = settings["method"]["name"], settings["data"]["label_count"], settings["train"]["seed"]
        count = theirs[1] if one.label_count is None else one.label_count
        if theirs != (one.method, count, one.seed):
            raise RunError(f"{run} is another run: {theirs[0]} with {theirs[1]} labels on seed {theirs[2]}")
        split = read_json(run / "split.json")
        data.setdefault(str(split.get("fingerprint")), run)
        if len(data) > 1:
            raise RunError(f"{' and '.join(map(str, data.values()))} cannot be compared: they differ in data")
        other, known = first.setdefault((one.label_count, one.seed), (run, split))
        differing = [words for key, words in _SAME.items() if split.get(key) != known.get(key)]
        if differing:
            raise RunError(f"{run} and {other} cannot be compared: they differ in {', '.join(differing)}")


def _cell(
    method: str, count: int | None, metrics: Mapping[Combination, Mapping[str, Any]], headline: Headline, images: int
) -> Cell:
    def by_seed(of: str, key: str) -> dict[int, float]:
        runs = {one.seed: m[key] for one, m in metrics.items() if (one.method, one.label_count) == (of, count)}
        return {seed: float(value) for seed, value in runs.items() if value is not None}  # a distance may not exist

    own, twin = by_seed(method, headline.key), by_seed(SUPERVISED, headline.key)
    gains = [100.0 * (own[seed] - twin[seed]) for seed in own if seed in twin]
    grain = 100.0 / max(images, 1) if headline == ACCURACY else 0.0
    distances = list(by_seed(method, DISTANCE).values()) if headline == DICE else []
    return Cell(
        method=method,
        label_count=count,
        scores=own,
        summary=interval([100.0 * value for value in own.values()]),
        gain=interval(gains, grain=grain) if gains and method != SUPERVISED else None,
        distance=interval(distances) if distances else None,
    )
