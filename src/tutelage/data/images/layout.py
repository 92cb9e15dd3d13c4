"""Arrays as images: which layouts, types and ranges are taken, and why others are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError

COLORS = (1, 3, 4)  # gray, RGB, RGB with alpha
_LAYOUTS = "(H, W), (H, W, C) or (C, H, W) for one image, (N, H, W, C) or (N, C, H, W) for several"


def split_batch(
    array: NDArray[Any], where: str, *, channels: Sequence[int] = COLORS, deep: bool = False
) -> list[NDArray]:
    """The images of an array: each (H, W), or (H, W, C) with several channels, uint8.

    Args:
        array: one image (H, W), (H, W, C) or (C, H, W), or several (N, H, W, C) or (N, C, H, W). uint8 in [0, 255], or
            floating point in [0, 1].
        where: what it is, for messages.
        channels: what C may be.
        deep: take integers of more than 8 bits, too, as they are.

    Raises:
        DataError: it has another shape, type or range, or a shape that can be read in two ways.
    """
    single = array.ndim in (2, 3)
    batch = array[None] if single else array
    if array.ndim not in (2, 3, 4):
        raise DataError(f"{where} has the shape {array.shape}: expected {_LAYOUTS}, with C {_listed(channels)}")
    if not array.size:
        raise DataError(f"{where} is empty: it has the shape {array.shape}")
    if array.ndim > 2:
        first, last = batch.shape[1] in channels, batch.shape[3] in channels
        if first and last:
            raise DataError(
                f"{where} has the shape {array.shape}, in which channels may come first or last: pass PIL images, or "
                "gray images as a list of (H, W)"
            )
        if not first and not last:
            gray = array.ndim == 3 and 1 in channels
            hint = "several gray images are (N, H, W, 1)" if gray else f"expected {_LAYOUTS}"
            raise DataError(
                f"{where} has the shape {array.shape}, with no axis of {_listed(channels)} channels: {hint}"
            )
        batch = batch.transpose(0, 2, 3, 1) if first else batch
        batch = batch[..., 0] if batch.shape[-1] == 1 else batch
    kept = deep and batch.dtype.kind in "iu"
    return [np.ascontiguousarray(image) for image in (batch if kept else _to_bytes(batch, where))]


def _listed(channels: Sequence[int]) -> str:
    *first, last = map(str, channels)
    return f"{', '.join(first)} or {last}" if first else last


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
