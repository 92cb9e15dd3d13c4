"""The short reports of `evaluate` and `predict` on scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tutelage.core.names import counted, shown
from tutelage.data.scans.formats.read import read_mask
from tutelage.data.scans.items import Case
from tutelage.data.scans.mask_folder import MaskFolder
from tutelage.data.scans.reading import read_case
from tutelage.data.scans.scan_set import class_table
from tutelage.inference.scans.model import ScanModel
from tutelage.inference.scans.predict import WrittenMasks
from tutelage.inference.scans.scores import ScanScores
from tutelage.results.report.blocks import Block, Cell, Section, Table, Text, Tile, Tiles
from tutelage.results.report.scan_cases import as_shown, worst_and_median
from tutelage.results.report.scan_pictures import slices_plot
from tutelage.results.report.scan_sections import case_plots, score_tiles, scores_section

PREDICTED = "masks of"  # in the title of a page
_MOST_CASES = 100
_MOST_CLASSES = 6  # columns


def evaluation_sections(model: ScanModel, scores: ScanScores) -> list[Section]:
    """How well a run does on labeled scans. The worst and the median case are segmented once more, for pictures."""
    metrics, cases = scores.metrics, scores.cases
    sections = [Section("Result", (score_tiles(metrics, "labeled"),))]
    if (tables := scores_section(metrics, "labeled")) is not None:
        sections.append(tables)
    by_name, dice = {case.name: case for case in cases}, {row["case"]: row["dice"] for row in metrics["per_case"]}
    blocks: list[Block] = []
    for which, name in zip(("worst", "median"), worst_and_median(metrics["per_case"]), strict=False):
        raw = read_case(by_name[name], model.scan)
        assert raw.label is not None
        predicted, reference = model.decide(model.segment(raw)), class_table(model.values)[raw.label]
        blocks += case_plots(as_shown(name, raw.image[0], reference, predicted, raw.geometry), which, dice[name], "")
    if blocks:
        sections.append(Section("Pictures", tuple(blocks)))
    return sections


def prediction_sections(model: ScanModel, written: WrittenMasks) -> list[Section]:
    """What a run finds in new scans: how much of each class, and pictures of where that is least, most and usual."""
    cases, folder = written.cases, written.folder
    done = [row for row in folder.rows if not row["error"]]
    failed = [row for row in folder.rows if row["error"]]
    unit = "ml" if len(model.task.patch_size) == 3 else "voxels"
    named = folder.classes[1:]
    sizes = {row["case"]: sum(row[f"{unit}_{name}"] for name in named) for row in done}
    order = sorted(done, key=lambda row: sizes[row["case"]])
    tiles = [Tile("scans", f"{len(folder.rows):,}", f"{len(failed):,} not segmented")]
    for name in named[:_MOST_CLASSES] if done else ():
        found = [row[f"{unit}_{name}"] for row in done]
        empty = sum(not size for size in found)
        tiles.append(
            Tile(shown(name), f"{np.median(found):.3g} {unit}", f"median; not found in {counted(empty, 'scan')}")
        )
    sections = [Section("Result", (Tiles(tuple(tiles)),))]
    if order:
        sections += [_pictures(model, cases, folder, order, unit, sizes), _sizes(order, unit, named, sizes)]
    if failed:
        rows = tuple((Cell(shown(row["case"])), Cell(shown(row["error"]))) for row in failed[:_MOST_CASES])
        sections.append(Section("Not segmented", (Table(("scan", "why"), rows, texts=2),)))
    return sections


def _pictures(
    model: ScanModel,
    cases: Sequence[Case],
    folder: MaskFolder,
    order: Sequence[Mapping[str, Any]],
    unit: str,
    sizes: Mapping[str, float],
) -> Section:
    by_name, table = {case.name: case for case in cases}, class_table(model.values)
    places = dict.fromkeys((0, len(order) - 1, len(order) // 2))  # one picture if a case is two of these
    blocks: list[Block] = []
    for place, which in zip(places, ("least", "most", "median"), strict=False):
        row = order[place]
        name = str(row["case"])
        raw = read_case(by_name[name], model.scan, with_label=False)
        mask = table[read_mask(folder.path / row["mask"], assumed_spacing=model.scan.assumed_spacing)[0]]
        case = as_shown(name, raw.image[0], np.zeros_like(mask), mask, raw.geometry)
        title = f"{shown(name)}: {sizes[name]:.3g} {unit} found ({which})"
        caption = "Each slice is the one with the most of the mask along its axis."
        blocks.append(slices_plot(case, f"{which}-slices", title, caption, shows="prediction"))
    text = "A mask that is much smaller or larger than the others is worth checking."
    return Section("Pictures", (Text(text, muted=True), *blocks))


def _sizes(order: Sequence[Mapping[str, Any]], unit: str, named: Sequence[str], sizes: Mapping[str, float]) -> Section:
    columns = named[:_MOST_CLASSES]
    rows = tuple(
        (
            Cell(shown(row["case"])),
            Cell(f"{sizes[row['case']]:.4g}", sizes[row["case"]] / max(max(sizes.values()), 1e-12)),
            *(Cell(f"{row[f'{unit}_{name}']:.4g}") for name in columns),
        )
        for row in order[:_MOST_CASES]
    )
    table = Table(("scan", f"all, {unit}", *(f"{shown(name)}, {unit}" for name in columns)), rows, "Smallest first")
    more = [Text(f"The first {_MOST_CASES} of {len(order):,}.", muted=True)] if len(order) > _MOST_CASES else []
    return Section("What was found", (table, *more))
