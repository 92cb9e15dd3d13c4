"""What a report says of runs on scans, besides what it says of all runs; `image_sections` has the same names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tutelage.core.errors import TutelageError
from tutelage.core.headlines import DICE
from tutelage.core.intervals import interval
from tutelage.core.names import counted, shown
from tutelage.results.report import terms
from tutelage.results.report.blocks import Block, Cell, Plot, Section, Table, Text, Tile, Tiles
from tutelage.results.report.examples import Looked
from tutelage.results.report.scan_cases import read_segmented, worst_and_median
from tutelage.results.report.scan_pictures import SegmentedCase, methods_plot, slices_plot, surfaces_plot
from tutelage.results.report.scores import other_networks, percent
from tutelage.run.baseline import SUPERVISED
from tutelage.run.run_record import RunRecord
from tutelage.tasks.overlap import DISTANCES

OUT = "masks/"  # of `tutelage predict`
LOGGED = {"mask_rate": "share of voxels certain enough to learn from"}  # titles of logged values
_DISTANCES = {f"{name}_mm": heading for name, heading in DISTANCES.items()}
CONVENTIONS = (
    "Distances are in mm. Pooled HD95 and ASD to the reference follow medpy, as for UA-MT and similar methods. "
    "The larger of the two directed HD95 and the pooled ASSD follow MONAI. The score of a case is the mean over its "
    "classes. A class that is not found has a Dice of 0 and no distance."
)
_MOST_CASES = 40
_MOST_COLUMNS = 4  # classes in the table of cases
_MOST_METHODS = 3  # in a picture, besides supervised training


def look(record: RunRecord, *, device: str, most: int, patience: float = 1.0) -> Looked:
    """Nothing is predicted: the masks that a run keeps say what it made of the scans."""
    return Looked()


def map_section(record: RunRecord, looked: Looked, name: str, *, device: str, patience: float = 1.0) -> Section | None:
    """None: there is no map of scans."""
    return None


def score_sections(record: RunRecord, looked: Looked, prefix: str) -> list[Section]:
    """How well classes and cases are found, and pictures."""
    made = (scores_section(record.scores, record.part or "scored"), picture_section(record, prefix))
    return [section for section in made if section is not None]


def score_tiles(
    scores: Mapping[str, Any], part: str, others: Mapping[str, Any] | None = None, baseline: float | None = None
) -> Tiles:
    """The key numbers.

    Args:
        part: the name of the scored part, e.g. "test".
        others: the metrics of networks that are not evaluated, by name.
        baseline: Dice of the supervised baseline on the same cases, if there is one.
    """
    known = [100.0 * case["dice"] for case in scores["per_case"] if case["dice"] is not None]
    half = interval(known).half_width if known else None
    spread = "mean over cases" if half is None else f"95% interval ± {half:.1f}, over {len(known)} cases"
    empty = scores["empty_predictions"]
    missed = f"a class was not found {counted(empty, 'time')}" if empty else "every class was found in each"
    return Tiles(
        (
            Tile("Dice", percent(scores["dice"]), f"overlap with the reference; {spread}"),
            *(
                []
                if baseline is None
                else [Tile("supervised baseline", percent(baseline), f"{terms.SUPERVISED.replace('images', 'scans')}")]
            ),
            *other_networks(others, DICE, "not used for predictions"),
            Tile("HD95 pooled", _mm(scores["hd95_pooled_mm"]), "95th percentile, both directions together"),
            Tile("ASD to reference", _mm(scores["asd_to_reference_mm"]), "mean distance from the predicted surface"),
            Tile(f"{part} cases", f"{scores['n']:,}", missed),
        )
    )


def scores_section(scores: Mapping[str, Any] | None, part: str) -> Section | None:
    """Tables of classes and of cases, the worst first; None if nothing was scored.

    Args:
        part: the name of the scored part, e.g. "test".
    """
    if not scores or not scores["n"]:
        return None
    distances = {key: title for key, title in _DISTANCES.items() if key in scores}
    titles = ("class", "Dice", *distances.values(), "cases", "not found")
    rows = [
        (
            Cell(shown(name)),
            Cell(_spread(row["dice"], 100.0), row["dice"]["mean"]),
            *(Cell(_spread(row[key], 1.0)) for key in distances),
            Cell(f"{row['dice']['cases']:,}"),
            Cell(f"{row['empty_predictions']:,}"),
        )
        for name, row in scores["per_class"].items()
    ]
    text = f"Mean ± standard deviation over the {part} cases. {CONVENTIONS}"
    tables = [Table(titles, tuple(rows), "Classes"), _case_table(scores["per_case"], distances)]
    blocks: list[Block] = [Text(text, muted=True), *tables]
    if len(scores["per_case"]) > _MOST_CASES:
        blocks.append(Text(f"The {_MOST_CASES} worst of {len(scores['per_case']):,} cases.", muted=True))
    return Section("Classes and cases", tuple(blocks))


def _case_table(cases: Sequence[Mapping[str, Any]], distances: Mapping[str, str]) -> Table:
    worst = sorted(cases, key=lambda case: (case["dice"] is None, case["dice"] or 0.0))[:_MOST_CASES]
    names = list(worst[0]["classes"])
    named = names if 1 < len(names) <= _MOST_COLUMNS else []
    rows = [
        (
            Cell(shown(case["case"])),
            Cell(percent(case["dice"]), case["dice"]),
            *(Cell(percent(case["classes"][name]["dice"])) for name in named),
            *(Cell(_number(case[key])) for key in distances),
        )
        for case in worst
    ]
    columns = ("case", "Dice", *(f"Dice of {shown(name)}" for name in named), *distances.values())
    return Table(columns, tuple(rows), "Cases, the worst first")


def picture_section(record: RunRecord, prefix: str) -> Section | None:
    """Slices and surfaces of the worst and the median case; None if nothing was scored."""
    names = worst_and_median(record.scores["per_case"]) if record.scored else []
    if not names:
        return None
    dice = {case["case"]: case["dice"] for case in record.scores["per_case"]}
    blocks: list[Block] = []
    try:
        for which, name in zip(("worst", "median"), names, strict=False):
            blocks += case_plots(read_segmented(record, name), which, dice[name], prefix)
        if record.baseline is not None:
            blocks += methods_blocks(record, {SUPERVISED: record.baseline}, prefix)
    except TutelageError as error:
        blocks.append(
            Text(
                f"Pictures need the masks in the run folder, and the scans and labels that were scored. {error}",
                muted=True,
            )
        )
    return Section("Pictures", tuple(blocks))


def case_plots(case: SegmentedCase, which: str, dice: float | None, prefix: str) -> list[Plot]:
    """Slices and surfaces of a case; `which` is "worst" or "median"."""
    title = f"{which.capitalize()} case: {shown(case.name)}, Dice {percent(dice)}"
    caption = "Each slice is the one with the most wrong voxels along its axis."
    plots = [slices_plot(case, f"{prefix}{which}-slices", title, caption)]
    if case.image.ndim == 3:
        plots.append(surfaces_plot(case, f"{prefix}{which}-surfaces", f"Surfaces of {shown(case.name)}"))
    return plots


def methods_blocks(record: RunRecord, others: Mapping[str, RunRecord], prefix: str) -> list[Plot]:
    """The worst and the median case of the first of `others`, as segmented by each of them and by `record`.

    Args:
        others: finished runs on the same cases by name, supervised first.

    Raises:
        DataError: as `read_segmented`.
    """
    records = {**others, record.method: record}
    first = next(iter(records.values()))
    plots = []
    for which, name in zip(("worst", "median"), worst_and_median(first.scores["per_case"]), strict=False):
        cases = {label: read_segmented(one, name) for label, one in records.items()}
        dice = [f"{label} {percent(_dice_of(one, name))}" for label, one in records.items()]
        plots.append(
            methods_plot(
                next(iter(cases.values())),
                {label: case.prediction for label, case in cases.items()},
                f"{prefix}{which}-methods",
                f"The {which} case of {next(iter(records))}: {shown(name)}",
                f"Dice: {', '.join(dice)}. The slices are those with the most wrong voxels.",
            )
        )
    return plots


def comparison_pictures(records: Sequence[RunRecord]) -> list[Section]:
    """The worst and the median case of supervised training, by it and by other methods with the same draw of labels."""
    finished = [record for record in records if record.part is not None]
    baselines = [record for record in finished if record.method == SUPERVISED]
    for baseline in baselines:
        draw = baseline.split["labeled"], baseline.split["held_out"], baseline.cfg.train.seed
        same = [r for r in finished if (r.split["labeled"], r.split["held_out"], r.cfg.train.seed) == draw]
        others = {record.method: record for record in same if record.method != SUPERVISED}
        if not others:
            continue
        *middle, last = others.values()
        between = {record.method: record for record in middle[: _MOST_METHODS - 1]}
        note = Text(
            f"Trained on the same {baseline.labels} labels, drawn by seed {baseline.cfg.train.seed}.", muted=True
        )
        try:
            return [
                Section(
                    "The same scans by each method",
                    (note, *methods_blocks(last, {SUPERVISED: baseline, **between}, "")),
                )
            ]
        except TutelageError as error:
            text = f"Pictures need the masks in the run folders, and the scans and labels that were scored. {error}"
            return [Section("The same scans by each method", (Text(text, muted=True),))]
    return []


def _dice_of(record: RunRecord, name: str) -> float | None:
    cases = {case["case"]: case["dice"] for case in record.scores["per_case"]}
    dice: float | None = cases.get(name)
    return dice


def _spread(found: Mapping[str, Any], scale: float) -> str:
    if found["mean"] is None:
        return "–"
    std = "" if found["std"] is None else f" ± {scale * found['std']:.1f}"
    return f"{scale * found['mean']:.1f}{std}{'%' if scale == 100.0 else ''}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _mm(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} mm"
