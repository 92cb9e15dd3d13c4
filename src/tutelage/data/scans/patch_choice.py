"""Size of patches and spacing, from the sizes of the scans and the number of voxels that there is time for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

STEP = 16  # voxels: what V-Net and the U-Nets halve four times
_WORTH_IT = 1.2  # times the finest spacing: scans are not resampled for less
Spacing = tuple[float, ...]


def choose_patch(
    shapes: Sequence[tuple[int, ...]], spacings: Sequence[tuple[float, ...]], voxels: int, *, step: int = STEP
) -> tuple[int, ...]:
    """(*S): sides that are multiples of `step`, as long as each other in mm, with at most `voxels` voxels.

    As nnU-Net starts (arXiv:1904.08128): a patch of scans with thick slices has few of them, and no side is longer than
    the median scan needs. Of sides that are equally long, that one grows first of which the patch covers least.

    Args:
        shapes: (*S) of the prepared scans, in voxels.
        spacings: of the prepared scans, in mm along each axis.
        voxels: of less than the smallest patch, that one is taken.
    """
    median, spacing = np.median(np.array(shapes), axis=0), np.median(np.array(spacings), axis=0)
    whole = np.maximum(np.ceil(median / step).astype(int), 1) * step
    patch = np.full(len(median), step)
    while growing := [axis for axis in range(len(patch)) if patch[axis] < whole[axis]]:
        axis = min(growing, key=lambda axis: (round(patch[axis] * spacing[axis], 6), patch[axis] / median[axis]))
        if math.prod(patch.tolist()) // int(patch[axis]) * int(patch[axis] + step) > voxels:
            break
        patch[axis] += step
    return tuple(patch.tolist())


def choose_spacing(shape: tuple[int, ...], spacing: tuple[float, ...], voxels: int, coarsest: float) -> Spacing:
    """(*S): the spacing at which a scan has at most `voxels` voxels, in mm; (), if it is not much coarser.

    All axes that are finer than some spacing get that spacing, so that thick slices are left as they are.

    Args:
        coarsest: in mm; no axis is made coarser, though there are more voxels then.
    """
    extent, own = np.array(shape) * spacing, np.array(spacing)
    low, high = float(own.min()), float(max(extent.max(), own.max()))
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if np.prod(extent / np.maximum(own, middle)) > voxels else (low, middle)
    side = float(f"{min(high, coarsest):.3g}")
    if side < _WORTH_IT * own.min():
        return ()
    return tuple(float(f"{step:.6g}") for step in np.maximum(own, side))
