"""All scores of the masks of one case."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.tasks.lesions import match_lesions
from tutelage.tasks.overlap import class_scores

CaseScores = dict[str, dict[str, Any]]
_ML = 1000.0  # mm^3


@dataclass(frozen=True)
class MaskScore:
    """How a score is shown, and whether a higher one is better."""

    heading: str
    form: str
    higher: bool


MASK_SCORES = {
    "dice": MaskScore("Dice", "{:.1%}", True),
    "jaccard": MaskScore("Jaccard", "{:.1%}", True),
    "nsd": MaskScore("NSD at {tolerance:g} mm", "{:.1%}", True),
    "hd95_pooled_mm": MaskScore("HD95 pooled, mm", "{:.2f}", False),
    "hd95_max_directed_mm": MaskScore("HD95 max directed, mm", "{:.2f}", False),
    "asd_to_reference_mm": MaskScore("ASD to reference, mm", "{:.2f}", False),
    "assd_pooled_mm": MaskScore("ASSD pooled, mm", "{:.2f}", False),
    "lesion_f1": MaskScore("lesion F1", "{:.1%}", True),
    "volume_error_abs_ml": MaskScore("volume error, ml", "{:.2f}", False),
}
COUNTS = ("lesions_found", "lesions_missed", "lesions_false", "predicted_ml", "reference_ml", "volume_error_ml")


def score_masks(
    prediction: NDArray[np.int64],
    reference: NDArray[np.int64],
    names: Sequence[str],
    spacing: Sequence[float],
    tolerance: float,
) -> CaseScores:
    """The scores of each class but the background, by its name; None for scores that are undefined.

    Args:
        prediction, reference: (*S) class indices; voxels with the reference -1 belong to no mask.
        spacing: in mm along each axis.
        tolerance: of the surface Dice, in mm.
    """
    ignored = reference == -1
    return {
        name: _class(
            (prediction == place) & ~ignored, (reference == place) & ~ignored, spacing=spacing, tolerance=tolerance
        )
        for place, name in enumerate(names)
        if place
    }


def _class(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], *, spacing: Sequence[float], tolerance: float
) -> dict[str, Any]:
    scores = class_scores(prediction, reference, spacing, tolerance=tolerance)
    lesions, voxel = match_lesions(prediction, reference), math.prod(spacing) / _ML
    solid = reference.ndim == 3  # areas have no volume
    predicted, true = (scores[f"{what}_voxels"] * voxel if solid else None for what in ("predicted", "reference"))
    error = None if predicted is None or true is None else predicted - true
    return scores | {
        "lesion_f1": lesions.f1,
        "lesions_found": lesions.found,
        "lesions_missed": lesions.missed,
        "lesions_false": lesions.false,
        "predicted_ml": predicted,
        "reference_ml": true,
        "volume_error_ml": error,
        "volume_error_abs_ml": None if error is None else abs(error),
    }
