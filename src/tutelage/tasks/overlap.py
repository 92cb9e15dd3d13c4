"""Segmentation scores of one class in one case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.tasks.surface_distances import SurfaceDistances, surface_distances


@dataclass(frozen=True)
class Overlap:
    """A score in [0, 1] of two masks, from the numbers of voxels in both, in the prediction, and in the reference.

    Attributes:
        score: called only if at least one of the masks has a voxel.
        heading: of its column.
    """

    score: Callable[[int, int, int], float]
    heading: str


def dice(both: int, predicted: int, true: int) -> float:
    """2 |A and B| / (|A| + |B|)."""
    return 2 * both / (predicted + true)


def jaccard(both: int, predicted: int, true: int) -> float:
    """|A and B| / |A or B|."""
    return both / (predicted + true - both)


# To add a score, write a function above and a line here; for a distance, a property of `SurfaceDistances` and a line.
OVERLAPS = {"dice": Overlap(dice, "Dice"), "jaccard": Overlap(jaccard, "Jaccard")}
DISTANCES = {  # by name: heading
    "hd95_pooled": "HD95 pooled",
    "hd95_max_directed": "HD95 max directed",
    "asd_to_reference": "ASD to reference",
    "assd_pooled": "ASSD pooled",
}
UNITS = ("voxels", "mm")
DISTANCE_SCORES = tuple(f"{distance}_{unit}" for distance in DISTANCES for unit in UNITS)


def class_scores(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing: Sequence[float],
    *,
    distances: bool = True,
    tolerance: float | None = None,
) -> dict[str, Any]:
    """The scores of a mask (*S) against its reference; None for scores that are undefined.

    Args:
        spacing: voxel size in mm along each axis.
        distances: also compute the surface distances, which takes most of the time.
        tolerance: also compute the surface Dice, of surfaces that are this far apart at most, in mm.

    Returns:
        dice, jaccard: each of `OVERLAPS`; None if both masks are empty, 0 if one is.
        hd95_pooled_mm, ...: each of `DISTANCE_SCORES`; None if a mask is empty.
        nsd: with `tolerance`, the surface Dice; None if both masks are empty, 0 if one is.
        predicted_voxels, reference_voxels: sizes of the masks.
        empty: which mask is empty: "prediction", "reference", "both" or None.
    """
    predicted, true = int(prediction.sum()), int(reference.sum())
    both = int((prediction & reference).sum())
    scores: dict[str, Any] = {
        name: overlap.score(both, predicted, true) if predicted + true else None for name, overlap in OVERLAPS.items()
    }
    if distances:
        scores |= (
            _distances(prediction, reference, spacing, tolerance)
            if predicted and true
            else dict.fromkeys(DISTANCE_SCORES) | _no_surface(predicted + true, tolerance)
        )
    empty = {(True, True): "both", (True, False): "prediction", (False, True): "reference"}.get(
        (not predicted, not true)
    )
    return scores | {"predicted_voxels": predicted, "reference_voxels": true, "empty": empty}


def _no_surface(voxels: int, tolerance: float | None) -> dict[str, float | None]:
    return {} if tolerance is None else {"nsd": 0.0 if voxels else None}


def _distances(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], spacing: Sequence[float], tolerance: float | None
) -> dict[str, float]:
    in_voxels = surface_distances(prediction, reference)
    if len(set(spacing)) == 1:
        side = float(spacing[0])
        in_mm = SurfaceDistances(in_voxels.to_reference * side, in_voxels.to_prediction * side)
    else:
        in_mm = surface_distances(prediction, reference, spacing)
    by_unit = {"voxels": in_voxels, "mm": in_mm}
    found = {f"{name}_{unit}": getattr(by_unit[unit], name) for name in DISTANCES for unit in UNITS}
    return found if tolerance is None else found | {"nsd": in_mm.within(tolerance)}
