"""The scans for which a mask would help most, by how unsure a run is of them: a table of pairs, and a page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tutelage.core.names import counted, shown
from tutelage.core.tables import csv_bytes
from tutelage.curation.selection.scan_doubt import doubt, unsure_voxels
from tutelage.data.scans.given import Given
from tutelage.data.scans.items import Case
from tutelage.data.scans.reading import read_case
from tutelage.inference.scans.model import ScanModel
from tutelage.results.report.blocks import Block, Page, Section, Text
from tutelage.results.report.scan_cases import as_shown
from tutelage.results.report.scan_pictures import slices_plot

if TYPE_CHECKING:
    import pandas as pd

_PICTURES = 12  # scans that are drawn


@dataclass(frozen=True)
class RankedScan:
    """A scan without a mask.

    Attributes:
        doubt: how unsure the model is of what it segments, in [0, 1]; None if it finds nothing.
        reason: safe to print.
    """

    case: Case
    doubt: float | None
    reason: str


def rank_scans(model: ScanModel, cases: Sequence[Case]) -> tuple[list[RankedScan], list[str]]:
    """The scans, those of which the model is least sure first, and why others could not be judged.

    Scans in which it finds nothing come first: either they are empty, or it misses everything.
    """
    given = [Given(case, lambda cfg, case=case: read_case(case, cfg, with_label=False)) for case in cases]  # type: ignore[misc]
    ranked: list[RankedScan] = []
    faults: list[str] = []
    for made in model.predictions(given):
        if made.probs is None or made.predicted is None:
            faults.append(f"{shown(made.case.name)}: {made.error}")
            continue
        found = doubt(made.probs, made.predicted)
        if found is None:
            reason = "the run finds nothing here"
        else:
            reason = f"the run is {100 * found:.0f}% unsure of what it segments"
        ranked.append(RankedScan(made.case, found, reason))
    return sorted(ranked, key=lambda one: -2.0 if one.doubt is None else -one.doubt), faults


def scan_table(chosen: Sequence[RankedScan], labeled: Sequence[Case], root: Path) -> bytes:
    """A table of pairs: the chosen scans without a mask, then the scans that have one.

    Paths are relative to `root`; a file that lies elsewhere is named in full.
    """
    channels = max(len(case.images) for case in (*(one.case for one in chosen), *labeled))
    images = ["image", *(f"image_{number}" for number in range(2, channels + 1))]
    rows = [
        _files(one.case, images, root)
        | {"rank": rank, "doubt": "" if one.doubt is None else f"{one.doubt:.4f}", "reason": one.reason}
        for rank, one in enumerate(chosen, start=1)
    ]
    rows += [_files(case, images, root) | {"reason": "has a mask"} for case in labeled]
    return csv_bytes(rows, (*images, "label", "rank", "doubt", "reason"))


def scan_frame(table: bytes) -> pd.DataFrame:
    """A table of pairs as a DataFrame; missing cells are None, missing ranks <NA>."""
    import pandas as pd

    found = pd.read_csv(io.BytesIO(table), dtype={"rank": "Int64"}, keep_default_na=False, na_values=[""])
    text = [name for name in found if name not in ("rank", "doubt")]
    return found.astype(dict.fromkeys(text, object)).where(found.notna(), None).astype({"rank": "Int64"})


def scan_page(model: ScanModel, chosen: Sequence[RankedScan], source: str, run: str, scans: int, masks: int) -> Page:
    """A page with slices of the first scans, through where the model is least sure.

    Args:
        scans, masks: numbers of scans in the source, and of those that have a mask.
    """
    blocks: list[Block] = [
        Text(
            f"Ranked by how unsure the run {shown(run)} is of what it segments: the mean entropy of these voxels, as a "
            "share of the largest possible. Draw masks in the viewer that you use. Blue, solid: around voxels "
            "whose most probable class has a probability below 75%. Red, dashed: what the run segments."
        )
    ]
    for rank, one in enumerate(chosen[:_PICTURES], start=1):
        raw = read_case(one.case, model.scan, with_label=False)
        probs = model.segment(raw)
        unsure = unsure_voxels(probs).astype(np.int64)
        case = as_shown(one.case.name, raw.image[0], unsure, model.decide(probs), raw.geometry)
        title = f"{rank}. {shown(one.case.name)}"
        blocks.append(slices_plot(case, f"scan-{rank}", title, f"{one.reason}.", shows="unsure"))
    if len(chosen) > _PICTURES:
        blocks.append(Text(f"The first {_PICTURES} are shown; the table has all {len(chosen)}.", muted=True))
    return Page(
        f"{counted(len(chosen), 'scan')} to segment in {shown(source)}",
        f"{counted(scans, 'scan')}, {masks:,} with a mask",
        (Section("The scans, in the order of their rank", tuple(blocks)),),
    )


def _files(case: Case, images: Sequence[str], root: Path) -> dict[str, object]:
    columns: dict[str, object] = dict.fromkeys(images, "")
    columns |= dict(zip(images, (_path(file, root) for file in case.images), strict=False))
    return columns | {"label": "" if case.label is None else _path(case.label, root)}


def _path(file: Path, root: Path) -> str:
    full = file.absolute()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(full)
