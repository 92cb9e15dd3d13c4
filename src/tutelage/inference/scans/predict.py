"""Predictions for scans as a folder of masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutelage.core.errors import RunError
from tutelage.core.inputs import refuse_apart
from tutelage.core.names import first_of, shown
from tutelage.core.wording import option
from tutelage.core.writable import require_makeable
from tutelage.data.scans.formats.common import stem_of
from tutelage.data.scans.given import Given
from tutelage.data.scans.items import Case
from tutelage.data.scans.mask_folder import TABLE, MaskFolder, is_mask_table
from tutelage.data.scans.masks import write_probabilities
from tutelage.inference.model import Tell, Written
from tutelage.inference.scans.prediction import Segmenter


@dataclass(frozen=True)
class WrittenMasks(Written):
    """The scans that were segmented, and the folder with their masks."""

    cases: Sequence[Case]
    folder: MaskFolder


def write_masks(
    model: Segmenter, scans: Sequence[Given], out: Path, *, probabilities: bool = False, tell: Tell | None = None
) -> WrittenMasks:
    """Write one mask per scan into the folder `out`, with a table and the names of the label values.

    If a scan cannot be read, the table has the reason and there is no mask; the other scans are still segmented.
    """
    cases = [one.case for one in scans]
    folder = MaskFolder(out, model.classes, model.values)
    for number, made in enumerate(model.predictions(scans, probabilities=probabilities), start=1):
        if made.geometry is None or made.predicted is None:
            row = folder.fail(made.case, made.error)
        else:
            row = folder.add(made.case, made.predicted, made.geometry)
            if made.probs is not None:
                write_probabilities(out, stem_of(row["mask"]), made.probs, made.geometry, like=made.case.images[0])
        if tell is not None:
            for warning in made.warnings:
                tell(f"warning: {warning}")
            tell(f"{number} of {len(cases)}: {shown(made.case.name)}: {row['error'] or row['mask']}")
    folder.close()
    errors = [f"{shown(row['case'])}: {row['error']}" for row in folder.rows if row["error"]]
    names = [row["case"] for row in folder.rows if row["error"]]
    failed = f"{len(names)} of {len(cases)} scans could not be segmented: {first_of(names)}" if names else ""
    said = f", {len(errors)} of them not segmented (see the column error of {TABLE})" if errors else ""
    fault = f"no scan could be segmented, of {len(cases)}. {errors[0]}" if len(errors) == len(cases) else ""
    text = f"{len(cases)} scans{said}: masks and {TABLE} are in the folder {out}"
    return WrittenMasks(text, fault, failed, cases, folder)


def refuse_folder(path: Path, *, overwrite: bool, reads: Iterable[Any]) -> None:
    """Check that masks can be written into a folder.

    Args:
        reads: the source and the files of the scans; see `refuse_apart`.

    Raises:
        RunError: the path is a file, its parent is not a folder, it is where scans are read, or it is not empty and
            holds no earlier masks, or `overwrite` is off.
    """
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file: give a folder for the masks")
    require_makeable(path)
    refuse_apart(path, reads)
    filled = path.exists() and any(path.iterdir())
    if filled and not is_mask_table(path / TABLE):
        raise RunError(f"{path} is not empty, and holds no {TABLE} of earlier masks: give a new folder")
    if filled and not overwrite:
        raise RunError(f"{path} is not empty: give a new folder, or write into it with {option('overwrite', True)}")
