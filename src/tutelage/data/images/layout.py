"""Arrays as images: which layouts, types and ranges are taken, and why others are not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError

CHANNELS = (1, 3, 4)  # gray, RGB, RGB with alpha
_LAYOUTS = (
    "(H, W), (H, W, C) or (C, H, W) for one image, (N, H, W, C) or (N, C, H, W) for several, with C one of 1, 3, 4"
)


def split_batch(array: NDArray[Any], where: str) -> list[NDArray[np.uint8]]:
    """The images of an array: each (H, W), or (H, W, C) with 3 or 4 channels, uint8.

    Args:
        array: one image (H, W), (H, W, C) or (C, H, W), or several (N, H, W, C) or (N, C, H, W); C is 1 for gray, 3 for
            RGB, 4 for RGB with alpha. uint8 in [0, 255], or floating point in [0, 1].
        where: what it is, for messages.

    Raises:
        DataError: it has another shape, type or range, or a shape that can be read in two ways.
    """
    single = array.ndim in (2, 3)
    batch = array[None] if single else array
    if array.ndim not in (2, 3, 4):
        raise DataError(f"{where} has the shape {array.shape}: expected {_LAYOUTS}")
    if not array.size:
        raise DataError(f"{where} is empty: it has the shape {array.shape}")
    if array.ndim > 2:
        first, last = batch.shape[1] in CHANNELS, batch.shape[3] in CHANNELS
        if first and last:
            raise DataError(
                f"{where} has the shape {array.shape}, in which channels may come first or last: pass PIL images, or "
                "gray images as a list of (H, W)"
            )
        if not first and not last:
            gray = ": several gray images are (N, H, W, 1)" if array.ndim == 3 else f": expected {_LAYOUTS}"
            raise DataError(f"{where} has the shape {array.shape}, with no axis of 1, 3 or 4 channels{gray}")
        batch = batch.transpose(0, 2, 3, 1) if first else batch
        batch = batch[..., 0] if batch.shape[-1] == 1 else batch
    return [np.ascontiguousarray(image) for image in _to_bytes(batch, where)]


def _to_bytes(values: NDArray[Any], where: str) -> NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f":
        raise DataError(f"{where} is of type {values.dtype}: expected uint8 in [0, 255], or floating point in [0, 1]")
    low, high = float(values.min()), float(values.max())
    if not (low >= 0.0 and high <= 1.0):  # also true of NaN
        hint = ""
        if low < 0.0:
            hint = "; pass images before they are standardized, since the model does that itself"
        elif 1.0 < high <= 255.0:
            hint = "; divide by 255, or convert to uint8"
        raise DataError(f"{where} holds values from {low:g} to {high:g}: floating point must be in [0, 1]{hint}")
    return np.rint(values.astype(np.float64) * 255.0).astype(np.uint8)
