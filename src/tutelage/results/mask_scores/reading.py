"""Reading a reference mask and the masks that were predicted for it, on one grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.scans.formats.read import read_mask
from tutelage.data.scans.geometry import Geometry, turned_onto
from tutelage.data.scans.reading import TOLERANCE
from tutelage.results.mask_scores.pairs import MaskPair

Values = NDArray[np.int32]


@dataclass(frozen=True)
class MaskCase:
    """Label values (*S) of a reference and of each prediction, on the grid of the reference.

    Attributes:
        spacing: in mm along each axis.
    """

    name: str
    reference: Values
    predicted: tuple[Values, ...]
    spacing: tuple[float, ...]


def read_mask_case(pair: MaskPair, assumed_spacing: tuple[float, ...], tell: Callable[[str], None]) -> MaskCase:
    """The masks of a pair.

    Args:
        assumed_spacing: of masks without a geometry, in mm.
        tell: receives a line on each grid that differs in its header only.

    Raises:
        DataError: a mask cannot be read, or a prediction lies on another grid than its reference.
    """
    reference, grid = read_mask(pair.reference, assumed_spacing=assumed_spacing)
    found, spacing = [], grid.spacing
    for path in pair.predicted:
        mask, own = read_mask(path, assumed_spacing=assumed_spacing)
        found.append(_on_grid(mask, path, own, pair.reference, grid, tell))
        if own.stated and not grid.stated and not assumed_spacing:
            spacing = own.spacing
    return MaskCase(pair.name, reference, tuple(found), spacing)


def _on_grid(
    mask: Values, path: Path, own: Geometry, other: Path, grid: Geometry, tell: Callable[[str], None]
) -> Values:
    where = f"{shown(str(path))} and its reference {shown(str(other))}"
    both = own.stated and grid.stated
    turned = turned_onto(mask, own, grid) if both else None
    if turned is not None:
        return np.ascontiguousarray(turned)
    if own.shape != grid.shape:
        shapes = " and ".join(" x ".join(map(str, shape)) for shape in (own.shape, grid.shape))
        raise DataError(f"{where} differ in shape: {shapes}")
    apart = own.distance(grid) if both else 0.0
    if apart >= min(grid.spacing) / 2:
        raise DataError(
            f"{where} lie up to {apart:.3g} mm apart by their headers, axes {own.codes or '-'} and {grid.codes or '-'}"
        )
    if apart > TOLERANCE:
        tell(f"{where} differ only in the header, by up to {apart:.3g} mm: taken voxel by voxel")
    return mask
