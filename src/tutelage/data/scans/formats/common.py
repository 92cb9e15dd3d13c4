"""What all file formats share: suffixes, faults, and the axis of channels."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha", ".h5")
SLICE_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")
MASK_SLICE_SUFFIXES = (".png", ".tif", ".tiff", ".bmp")  # JPEG compression changes the values
COLORS = ((230, 77, 77), (77, 128, 230), (102, 204, 102), (230, 179, 51), (179, 102, 204), (77, 204, 204))
"""Of the classes but background, in turn, red, green and blue in 0..255."""


class FormatFault(Exception):
    """A file cannot be read. The message completes a sentence that starts with the file name."""


def suffix_of(path: Path | str) -> str:
    """The suffix of the format in lower case; `.nii.gz` is one suffix."""
    name = Path(path).name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def stem_of(path: Path | str) -> str:
    """The file name without that suffix."""
    name = Path(path).name
    return name[: len(name) - len(suffix_of(path))]


def same_name(name: str) -> str:
    """What names that look the same have in common: a letter and its accent may be one character or two."""
    return unicodedata.normalize("NFC", name)


def existing(path: Path) -> Path:
    """The file that is there under this name, in any Unicode form of it; `path` if there is none."""
    forms = (path, *(path.with_name(unicodedata.normalize(form, path.name)) for form in ("NFC", "NFD") if path.name))
    return next((form for form in forms if form.is_file()), path)


def split_channels(array: NDArray, channels_last_axis: bool) -> NDArray:
    """An array of up to four axes, or more of length 1, as (C, *S).

    Raises:
        FormatFault: it has a fourth axis that is not declared to hold channels, or more than four.
    """
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim < 4:
        return array[None]
    shape = " x ".join(map(str, array.shape))
    if array.ndim > 4:
        raise FormatFault(f"has {array.ndim} axes ({shape}): expected three")
    if not channels_last_axis:
        raise FormatFault(
            f"has four axes ({shape}) where three are expected; if the last one holds channels, set "
            "scan.channels_last_axis, else split the series into files"
        )
    return np.moveaxis(array, -1, 0)
