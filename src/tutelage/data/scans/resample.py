"""Resampling volumes to another number of voxels over the same extent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MODES = {2: "bilinear", 3: "trilinear"}


def resample(array: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """(C, *S) float32 to (C, *shape), linearly; the outer edges of the grids coincide, without smoothing first."""
    if array.shape[1:] == shape:
        return array
    import torch.nn.functional as F  # imported here, since a check without resampling does not need torch
    from torch import from_numpy

    values = from_numpy(np.ascontiguousarray(array, np.float32))[None]
    return F.interpolate(values, shape, mode=_MODES[len(shape)], align_corners=False)[0].numpy()


def resample_mask(mask: NDArray, shape: tuple[int, ...]) -> NDArray:
    """(*S) labels to (*shape): each voxel takes the label with the most linear weight, the smaller one on a tie.

    Nearest-neighbor resampling would shift the mask by half a voxel against its image when the grid is halved.
    """
    if mask.shape == shape:
        return mask
    found = np.zeros(shape, mask.dtype)
    most = np.zeros(shape, np.float32)
    for value in np.unique(mask):
        share = resample((mask == value).astype(np.float32)[None], shape)[0]
        better = share > most + 1e-6  # so that rounding does not decide ties
        found[better], most[better] = value, share[better]
    return found
