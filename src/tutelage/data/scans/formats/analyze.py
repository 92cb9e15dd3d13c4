"""Analyze 7.5 and NIfTI pairs, by nibabel: a `.hdr` with an `.img` beside it."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.names import shown
from tutelage.core.regular import read_regular
from tutelage.data.scans.formats.claims import claimed_bytes
from tutelage.data.scans.formats.common import FormatFault, split_channels
from tutelage.data.scans.formats.files import analyze_voxels
from tutelage.data.scans.geometry import Geometry

_NIFTI_PAIR = b"ni1\0"
_MAGIC_AT = 344
_HEADER = 348  # bytes


def read(
    path: Path, what: str, channels_last_axis: bool, assumed_spacing: tuple[float, ...]
) -> tuple[NDArray, Geometry]:
    """(C, *S) and the geometry; `assumed_spacing` is ignored.

    Analyze states spacing and no orientation. As in nibabel and SPM, the first axis points left, and the origin is in
    the middle unless SPM wrote another one.
    """
    import nibabel

    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # it also prints what it then raises
    voxels = analyze_voxels(path)
    if voxels is None:
        raise FormatFault(f"has no {path.stem}.img beside it, which holds the voxels")
    head, content = read_regular(path), read_regular(voxels)
    if len(head) < _HEADER:
        raise FormatFault(f"is truncated: its header has {len(head)} of {_HEADER} bytes")
    pair = head[_MAGIC_AT : _MAGIC_AT + 4] == _NIFTI_PAIR
    kind = nibabel.Nifti1Pair if pair else nibabel.Spm2AnalyzeImage
    try:
        header = kind.header_class.from_fileobj(io.BytesIO(head[:_HEADER]))
        shape, itemsize = header.get_data_shape(), header.get_data_dtype().itemsize
        start = max(int(header["vox_offset"]), 0)
    except Exception as error:  # damaged headers make nibabel raise almost anything
        raise FormatFault(f"is not a readable Analyze header: {shown(str(error))}") from None
    claimed_bytes(shape, itemsize, len(content), skipped=start, what=what)
    files = {"header": head, "image": content}
    held = {name: nibabel.FileHolder(fileobj=io.BytesIO(data)) for name, data in files.items()}
    if not pair:
        held["mat"] = nibabel.FileHolder(fileobj=io.BytesIO())  # an affine of SPM, which few files have
    try:
        image = kind.from_file_map(held)
        values = np.asanyarray(image.dataobj)
        affine = np.array(image.affine, np.float64)
    except Exception as error:
        raise FormatFault(f"is truncated or damaged: {shown(str(error))}") from None
    array = split_channels(values, channels_last_axis)
    return array, Geometry(array.shape[1:], affine, stated=pair)
