"""Segmented cases of a run, read for pictures: scans and labels from their source, masks from the run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError
from tutelage.core.names import from_cell, shown, to_cell
from tutelage.data.scans.formats.read import read_volume
from tutelage.data.scans.geometry import Geometry, nearest_axes
from tutelage.data.scans.reading import one_geometry, read_reference
from tutelage.data.scans.scan_set import class_table
from tutelage.results.report.scan_pictures import SegmentedCase
from tutelage.run.run_record import RunRecord

FOLDER, TABLE = "masks", "cases.csv"  # in a run


def read_segmented(record: RunRecord, name: str) -> SegmentedCase:
    """A case whose mask the run kept, oriented to RAS if its file states an orientation.

    The first of several channels is shown. Voxels of no class count as background.

    Raises:
        DataError: the mask was not kept, or a file of the case is missing, damaged or of another shape.
        MissingExtra: a package that reads it is not installed.
    """
    row, scan = _row(record.path, name), record.cfg.scan
    if not row["label"]:
        raise DataError(f"{shown(name)} has no label")
    spacing = scan.assumed_spacing
    image, geometry = read_volume(
        Path(from_cell(row["scan"])), channels_last_axis=scan.channels_last_axis, assumed_spacing=spacing
    )
    geometry = one_geometry(Path(from_cell(row["scan"])), geometry, scan, [])
    table = class_table(record.data["label_values"])
    masks = []
    for path in (Path(from_cell(row["label"])), record.path / FOLDER / from_cell(row["mask"])):
        values = read_reference(path, geometry, scan)
        if values.shape != geometry.shape:
            raise DataError(f"{shown(str(path))} has the shape {values.shape}, its scan {geometry.shape}")
        masks.append(table[np.clip(values, 0, 255)])
    return as_shown(name, image[0], masks[0], masks[1], geometry)


def as_shown(name: str, image: NDArray, reference: NDArray, prediction: NDArray, geometry: Geometry) -> SegmentedCase:
    """A case for pictures from arrays (*S) on the grid of its file; class -1 counts as background."""
    oriented = geometry.stated and geometry.axes == 3
    masks = (np.maximum(mask, 0).astype(np.uint8) for mask in (reference, prediction))
    arrays = [_turned(array, geometry) if oriented else array for array in (image, *masks)]
    steps = [geometry.spacing[axis] for axis in _order(geometry)] if oriented else geometry.spacing
    return SegmentedCase(name, arrays[0], arrays[1], arrays[2], tuple(steps), oriented)


def worst_and_median(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the cases with the lowest and the median Dice among rows of `per_case`; one name if they coincide."""
    scored = sorted((case for case in cases if case["dice"] is not None), key=lambda case: case["dice"])
    return list(dict.fromkeys(str(scored[place]["case"]) for place in (0, len(scored) // 2))) if scored else []


def _row(run: Path, name: str) -> dict[str, str]:
    import pandas as pd  # slow to import

    try:
        table = pd.read_csv(run / FOLDER / TABLE, dtype=str, keep_default_na=False)
        row = table[table["case"] == to_cell(name)].iloc[-1]
        return {str(column): str(cell) for column, cell in row.items()}
    except (OSError, KeyError, IndexError, ValueError):
        raise DataError(f"{run / FOLDER} has no mask of {shown(name)}") from None


def _turned(array: NDArray, geometry: Geometry) -> NDArray:
    nearest, order = nearest_axes(geometry.affine), _order(geometry)
    return array.transpose(order)[tuple(slice(None, None, nearest[axis][1]) for axis in order)]


def _order(geometry: Geometry) -> list[int]:
    """The axis of the file that is closest to each of R, A and S."""
    return [int(axis) for axis in np.argsort([world for world, _ in nearest_axes(geometry.affine)])]
