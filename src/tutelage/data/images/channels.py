"""How many channels an image has: by the axes of an array, and by the mode of a file.

Modes are those of Pillow, and where it has none, such as "5 channels" of 8 bits, "5 channels;I" of integers of more,
"5 channels;F" of floating point. Color images of more than 8 bits are "RGB;I", or `COLOR_16`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tutelage.config.data import MOST_CHANNELS
from tutelage.core.colors import over_white

COLOR_16 = "RGB;16"  # color images of 16 bits, of which Pillow reads the upper 8
_USUAL = (1, 3, 4)
_SEVERAL = " channels"


def channel_axis(shape: tuple[int, ...]) -> int | None:
    """The axis, 0 or 2, of an image (C, H, W) or (H, W, C) that holds up to 16 channels; None if neither can.

    If both can, it is the only one of 1, 3 or 4, or the one that differs from the other two, or else the smaller one.
    """
    can = [axis for axis in (0, 2) if 1 <= shape[axis] <= MOST_CHANNELS]
    usual = [axis for axis in can if shape[axis] in _USUAL]
    if len(can) < 2 or len(usual) == 1:
        return next(iter(usual or can), None)
    if (shape[0] == shape[1]) != (shape[1] == shape[2]):
        return 2 if shape[0] == shape[1] else 0
    return 0 if shape[0] < shape[2] else 2


def mode_of(channels: int, kind: np.dtype) -> str:
    """The mode of an image of some channels, whose values are of a type."""
    deep = "" if kind == np.uint8 else "F" if kind.kind == "f" else "I"
    if channels == 1:
        return deep or "L"
    name = "RGB" if channels == 3 else f"{channels}{_SEVERAL}"
    return f"{name};{deep}" if deep else name


def channels_of(mode: str) -> int:
    """The number of channels of a mode; 3 where transparency is laid over white."""
    number, several, _ = mode.partition(_SEVERAL)
    return int(number) if several else 1 if is_gray(mode) else 3


def as_seen(pixels: NDArray[np.uint8], mode: str) -> NDArray[np.uint8]:
    """(H, W) or (H, W, C): pixels of a mode, over white if their fourth channel is alpha."""
    return over_white(pixels) if pixels.shape[2:] == (4,) and channels_of(mode) == 3 else pixels


def is_gray(mode: str) -> bool:
    """Whether a mode has one channel."""
    return mode in ("1", "L", "LA", "La", "F") or mode.startswith("I")


def is_deep(mode: str) -> bool:
    """Whether images of a mode have integers of more than 8 bits, all of which are read."""
    return mode.startswith("I") or mode.endswith(";I")


def is_floating(mode: str) -> bool:
    """Whether images of a mode have values in floating point."""
    return mode == "F" or mode.endswith(";F")
