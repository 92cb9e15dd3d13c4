"""Fast decoding of JPEG files by libjpeg-turbo (the library simplejpeg)."""

from __future__ import annotations

import numpy as np
import simplejpeg
from numpy.typing import NDArray

_MARKER = b"\xff\xd8\xff"  # the first bytes of a JPEG file
_EXIF = b"Exif\0\0"  # the first bytes of the block that may turn an image
_SCALES = (8, 4, 2)
_SPACES = {"Gray": ("GRAY", "L"), "YCbCr": ("RGB", "RGB"), "RGB": ("RGB", "RGB")}  # colors asked for, mode of Pillow


def jpeg_header(content: bytes) -> tuple[tuple[int, int], str] | None:
    """(width, height) and Pillow's mode of a gray or color JPEG file; None of any other file."""
    if not content.startswith(_MARKER):
        return None
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    return ((width, height), _SPACES[space][1]) if space in _SPACES else None


def may_be_turned(content: bytes) -> bool:
    """Whether a JPEG file has a block that may say which side is up."""
    return _EXIF in content


def decode_jpeg(content: bytes, *, at_least: int) -> NDArray[np.uint8] | None:
    """(H, W) or (H, W, 3) uint8 of a gray or color JPEG file, as stored; the same pixels that Pillow decodes.

    It is decoded at the smallest scale of 1/8, 1/4, 1/2, 1 that leaves both sides at twice `at_least` pixels or more.

    Returns:
        None where the file is not a JPEG file, has other colors, or is damaged in any way: Pillow decides what becomes
        of it.
    """
    header = jpeg_header(content)
    if header is None:
        return None
    (width, height), mode = header
    scale = next((scale for scale in _SCALES if min(width, height) // scale >= 2 * at_least), 1)
    space = "GRAY" if mode == "L" else "RGB"
    least = {} if scale == 1 else {"min_height": -(-height // scale), "min_width": -(-width // scale)}
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, space, **least)
    except ValueError:
        return None
    return pixels[:, :, 0] if mode == "L" else pixels
