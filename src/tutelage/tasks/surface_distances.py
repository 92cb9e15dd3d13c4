"""Distances between the surfaces of two masks, in the two conventions that are used in papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def surface_points(mask: Mask) -> NDArray[np.int64]:
    """(N, d): indices of the voxels of `mask` (*S) with at least one face on the outside.

    Everything beyond the volume counts as outside. The result is the mask minus its erosion by the 6 face neighbors (4
    in two dimensions), which is the surface in both medpy and MONAI.
    """
    points = np.argwhere(mask)
    if len(points) == 0:
        return points
    first = points.min(0)
    box = np.pad(mask[tuple(slice(a, b + 1) for a, b in zip(first, points.max(0), strict=True))], 1)
    inside = box.copy()
    for axis in range(mask.ndim):
        for shift in (-1, 1):
            inside &= np.roll(box, shift, axis)  # voxels that wrap around come from the padding
    return np.argwhere(box & ~inside) - 1 + first


@dataclass(frozen=True)
class SurfaceDistances:
    """Distance from each surface voxel of one mask to the nearest one of the other, both (N,) float64.

    Attributes:
        to_reference: from the surface of the prediction.
        to_prediction: from the surface of the reference.
    """

    to_reference: NDArray[np.float64]
    to_prediction: NDArray[np.float64]

    @property
    def hd95_pooled(self) -> float:
        """95th percentile of the distances in both directions together: medpy's `hd95`, as in UA-MT's tables."""
        return float(np.percentile(np.concatenate([self.to_reference, self.to_prediction]), 95))

    @property
    def hd95_max_directed(self) -> float:
        """The larger of the 95th percentiles of the two directions: MONAI's `HausdorffDistanceMetric`."""
        return float(max(np.percentile(self.to_reference, 95), np.percentile(self.to_prediction, 95)))

    def within(self, tolerance: float) -> float:
        """Share of both surfaces that lies within `tolerance` of the other: surface Dice, or NSD, in [0, 1].

        Each surface voxel counts once, as in MONAI's `compute_surface_dice` (arXiv:1809.04430 weights by area).
        """
        near = int((self.to_reference <= tolerance).sum()) + int((self.to_prediction <= tolerance).sum())
        return near / (len(self.to_reference) + len(self.to_prediction))

    @property
    def asd_to_reference(self) -> float:
        """Mean distance from the prediction's surface to the reference's, in this direction only: medpy's `asd`."""
        return float(self.to_reference.mean())

    @property
    def assd_pooled(self) -> float:
        """Mean of the distances in both directions together: MONAI's `SurfaceDistanceMetric(symmetric=True)`."""
        return float(np.concatenate([self.to_reference, self.to_prediction]).mean())


def surface_distances(prediction: Mask, reference: Mask, spacing: Sequence[float] | None = None) -> SurfaceDistances:
    """The distances between the surfaces of two masks (*S).

    Args:
        spacing: voxel size along each axis; the distances have its unit. None measures in voxels.

    Raises:
        ValueError: a mask is empty, so there is no distance to it.
    """
    from scipy.spatial import KDTree  # slow to import

    if not (prediction.any() and reference.any()):
        raise ValueError("there is no surface distance to an empty mask")
    scale = np.ones(prediction.ndim) if spacing is None else np.asarray(spacing, dtype=np.float64)
    predicted, true = surface_points(prediction) * scale, surface_points(reference) * scale
    return SurfaceDistances(KDTree(true).query(predicted)[0], KDTree(predicted).query(true)[0])
