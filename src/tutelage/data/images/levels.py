"""Images of more than 8 bits: which of their values become black and white."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tutelage.data.images.channels import is_floating

Range = tuple[float, ...]  # the values that become 0 and 255: a pair for all channels, or one for each
_FULL_FLOAT: Range = (0.0, 1.0)
_FULL_INTEGER: Range = (0.0, 65535.0)
_ROWS = 64  # of an image, that are scaled at a time
_IGNORED = 0.001  # share of the darkest and of the brightest pixels of an image
_COLORS = (1, 3)  # channels that share a range, so that what is gray stays gray


def to_eight_bits(values: NDArray, mode: str, levels: Range | None) -> NDArray[np.uint8]:
    """Values scaled so that `levels` become 0 and 255, and clipped; without levels, those that the mode allows.

    Raises:
        ValueError: without levels, values lie outside of what the mode allows; or there is a pair of levels for each of
            another number of channels. The message completes a sentence that starts with the file name.
    """
    low, high = np.array(levels or (_FULL_FLOAT if is_floating(mode) else _FULL_INTEGER)).reshape(-1, 2).T
    channels = 1 if values.ndim == 2 else values.shape[2]
    if len(low) not in (1, channels):
        raise ValueError(f"has {channels} channels: expected {len(low)}")
    if levels is None:
        least, most = float(values.min()), float(values.max())
        if not (least >= low[0] and most <= high[0]):  # also true of NaN
            wanted = f"{low[0]:g} to {high[0]:g}"
            raise ValueError(f"holds values from {least:g} to {most:g}: expected {wanted} in mode {mode}")
    result = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS):  # a part at a time, since each value takes 8 bytes here
        numbers = values[start : start + _ROWS].astype(np.float64)
        scaled = np.clip((numbers - low) * (255.0 / (high - low)), 0.0, 255.0)
        result[start : start + _ROWS] = np.rint(np.nan_to_num(scaled))
    return result


def used_range(images: Iterable[NDArray]) -> Range | None:
    """The least and the greatest value of all images, without the extreme 0.1% of the pixels of each; None if equal.

    A camera of 12 bits uses a sixteenth of 16 bits, which would be a few gray levels. Of gray and color images it is
    one pair for all channels; of others, a pair for each channel, which may measure different things.
    """
    found = []
    for values in images:
        channels = 1 if values.ndim == 2 else values.shape[2]
        rows = values.reshape(-1) if channels in _COLORS else values.reshape(-1, channels)
        found.append(np.quantile(rows, (_IGNORED, 1.0 - _IGNORED), axis=0, method="nearest"))
    if len({ends.shape for ends in found}) != 1:  # none, or of several kinds, which is a fault elsewhere
        return None
    low, high = np.min([ends[0] for ends in found], axis=0), np.max([ends[1] for ends in found], axis=0)
    if np.all(low >= high):
        return None
    pairs = np.stack([low, np.where(high > low, high, low + 1)], axis=-1)
    return tuple(pairs.astype(float).ravel().tolist())
