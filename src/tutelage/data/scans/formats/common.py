"""What all file formats share: suffixes, faults, and the axis of channels."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.names import file_key, shown

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".hdr", ".h5")
DICOM_SUFFIXES = (".dcm", ".ima")
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
    """The file name without that suffix; digits behind a dot are none, as in the names of DICOM series."""
    name, suffix = Path(path).name, suffix_of(path)
    return name if suffix[1:].isdecimal() else name[: len(name) - len(suffix)]


def same_name(name: str) -> str:
    """What names that look the same have in common: a letter and its accent may be one character or two."""
    return unicodedata.normalize("NFC", name)


def existing(path: Path) -> Path:
    """The file that is there under this name, in any Unicode form of it, or with slashes for backslashes; or `path`."""
    slashes = Path(str(path).replace("\\", "/"))
    forms = (slashes.with_name(unicodedata.normalize(form, slashes.name)) for form in ("NFC", "NFD") if slashes.name)
    return next((form for form in (path, slashes, *forms) if form.is_file()), path)


def near_file(path: Path, root: Path) -> str:
    """`"; did you mean 'x'?"` with the file below `root` that a path which is none must mean, if there is one."""
    path = Path(str(path).replace("\\", "/"))
    found = next(
        (file for start in range(1, len(path.parts)) if (file := root.joinpath(*path.parts[start:])).is_file()), None
    )
    if found is None and path.parent.is_dir():
        like = {file_key(path.name), file_key(stem_of(path))}
        found = next(
            (e for e in sorted(path.parent.iterdir()) if like & {file_key(e.name), file_key(stem_of(e))}), None
        )
    if found is None:
        return ""
    return f"; did you mean '{shown(str(found.relative_to(root) if found.is_relative_to(root) else found))}'?"


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
