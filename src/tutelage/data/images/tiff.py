"""TIFF files that Pillow does not read in full: several channels, and colors of more than 8 bits (library tifffile)."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tutelage.core.memory import memory_fault
from tutelage.data.images.channels import MOST_CHANNELS, mode_of

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_GRAY, _RGB = 1, 2  # photometric interpretations of plain values
_ALPHA = (1, 2)  # kinds of extra samples
_ORIENTATION = 274
_SEVERAL_PAGES = ("CYX", "YXC")  # axes of an image whose channels are pages, as ImageJ and OME write it

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what is wrong with a file is raised as an error


_COPIES = 2  # of the pixels, while they are turned


class TiffLook(NamedTuple):
    """Width, height and mode of a TIFF file."""

    width: int
    height: int
    mode: str


def is_tiff(start: bytes) -> bool:
    """Whether a file with these first bytes is a TIFF file."""
    return start.startswith(_STARTS)


def look_at_tiff(file: Path | BytesIO) -> TiffLook | None:
    """What a file holds; None of one that Pillow reads: gray, color of 8 bits, palettes, CMYK, alpha.

    Raises:
        Exception: any, of a damaged file.
    """
    from tifffile import TiffFile

    with TiffFile(file) as tiff:
        channels = _channels(tiff)
        if not channels:
            return None
        page = tiff.pages.first
        height, width = page.imagelength, page.imagewidth
        turned = _orientation(page) >= 5
        return TiffLook(*((height, width) if turned else (width, height)), mode_of(len(channels), np.dtype(page.dtype)))


def read_tiff(content: bytes) -> NDArray:
    """(H, W, C): the values of a file that `look_at_tiff` knows, upright, without alpha.

    Raises:
        Exception: any, of a damaged file.
    """
    from tifffile import TiffFile

    with TiffFile(BytesIO(content)) as tiff:
        channels, page = _channels(tiff), tiff.pages.first
        whole = tiff.series[0] if page.samplesperpixel == 1 else page
        # parts that are missing are taken for zeros, so that a few bytes may claim any number of pixels
        needed = _COPIES * math.prod(whole.shape) * np.dtype(whole.dtype).itemsize
        if (fault := memory_fault(needed, len(content))) is not None:
            raise ValueError(fault)
        if page.samplesperpixel == 1:
            values = tiff.series[0].asarray().squeeze()
            first = tiff.series[0].get_axes(squeeze=True) == "CYX"
        else:
            values, first = page.asarray(), page.planarconfig != 1
        values = np.moveaxis(values, 0, -1) if first else values
        return np.ascontiguousarray(upright(values[..., list(channels)], _orientation(page)))


def _channels(tiff: TiffFile) -> Sequence[int]:
    """The samples of a pixel that are channels; none where Pillow reads the file."""
    page = tiff.pages.first
    samples, extra = page.samplesperpixel, page.extrasamples
    if page.photometric not in (_GRAY, _RGB):
        return ()
    if samples == 1:
        if not (tiff.is_imagej or tiff.is_ome):
            return ()
        whole = tiff.series[0]
        several = whole.get_axes(squeeze=True) in _SEVERAL_PAGES
        count = whole.get_shape(squeeze=True)[0 if whole.get_axes(squeeze=True) == "CYX" else -1] if several else 1
        return range(count) if 2 <= count <= MOST_CHANNELS else ()
    alpha = {samples - len(extra) + place for place, kind in enumerate(extra) if kind in _ALPHA}
    channels = [sample for sample in range(samples) if sample not in alpha]
    plain = len(channels) == 1 or (len(channels) == 3 and page.photometric == _RGB)
    if (plain and (alpha or page.dtype == np.uint8)) or len(channels) > MOST_CHANNELS:
        return ()
    return channels


def _orientation(page: TiffPage) -> int:
    tag = page.tags.get(_ORIENTATION)
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1


def upright(values: NDArray, orientation: int) -> NDArray:
    """(H, W, ...) turned and mirrored as the tag of TIFF and EXIF asks for, which is in 1..8."""
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values
