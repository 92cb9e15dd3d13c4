"""Images of more than 8 bits: which of their values become black and white."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Range = tuple[float, float]  # the values that become 0 and 255
COLOR_16 = "RGB;16"  # the mode of color images of 16 bits, of which Pillow reads the upper 8
_FULL: dict[str, Range] = {"F": (0.0, 1.0)}
_FULL_INTEGER: Range = (0.0, 65535.0)
_ROWS = 64  # of an image, that are scaled at a time
_IGNORED = 0.001  # share of the darkest and of the brightest pixels of an image


def is_deep(mode: str) -> bool:
    """Whether images of a mode are gray, with integers of more than 8 bits."""
    return mode.startswith("I")


def to_eight_bits(values: NDArray, mode: str, levels: Range | None) -> NDArray[np.uint8]:
    """Values scaled so that `levels` become 0 and 255, and clipped; without levels, those that the mode allows.

    Raises:
        ValueError: without levels, values lie outside of what the mode allows. The message completes a sentence that
            starts with the file name.
    """
    low, high = levels or _FULL.get(mode, _FULL_INTEGER)
    if levels is None:
        least, most = float(values.min()), float(values.max())
        if not (least >= low and most <= high):  # also true of NaN
            raise ValueError(f"holds values from {least:g} to {most:g}: expected {low:g} to {high:g} in mode {mode}")
    result = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS):  # a part at a time, since each value takes 8 bytes here
        numbers = values[start : start + _ROWS].astype(np.float64)
        scaled = np.clip((numbers - low) * (255.0 / (high - low)), 0.0, 255.0)
        result[start : start + _ROWS] = np.rint(np.nan_to_num(scaled))
    return result


def used_range(images: Iterable[NDArray]) -> Range | None:
    """The least and the greatest value of all images, without the extreme 0.1% of the pixels of each; None if equal.

    A camera of 12 bits uses a sixteenth of 16 bits, which would be a few gray levels.
    """
    lows, highs = [], []
    for values in images:
        low, high = np.quantile(values, (_IGNORED, 1.0 - _IGNORED), method="nearest")
        lows.append(float(low))
        highs.append(float(high))
    return (min(lows), max(highs)) if lows and min(lows) < max(highs) else None
