"""NIfTI, by nibabel: `.nii` and `.nii.gz`."""

from __future__ import annotations

import gzip
import io
import logging
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tutelage.core.files import write_atomically
from tutelage.core.memory import DEFLATE
from tutelage.core.names import shown
from tutelage.core.regular import read_regular
from tutelage.data.scans.formats.claims import claimed_bytes
from tutelage.data.scans.formats.common import FormatFault, split_channels, suffix_of
from tutelage.data.scans.geometry import Affine, Geometry

if TYPE_CHECKING:
    import nibabel

_NIFTI2_HEADER = 540  # the first bytes of the header
_MOST_BYTES = 1 << 62
_CHUNK = 1 << 24  # bytes
_PADDING = 4096  # bytes that may follow the voxels, since some programs write whole blocks
_LABELS = "label"  # NIfTI's intent for masks
_PLACES = 2  # code "aligned": not the coordinates of a scanner


def read(
    path: Path, what: str, channels_last_axis: bool, assumed_spacing: tuple[float, ...]
) -> tuple[NDArray, Geometry]:
    """(C, *S) and the geometry of a NIfTI file; `assumed_spacing` is ignored."""
    image = _open(path, what)
    try:
        values = np.asanyarray(image.dataobj)
    except (ValueError, OSError, EOFError) as error:
        raise FormatFault(f"is truncated or damaged: {shown(str(error))}") from None
    array = split_channels(values, channels_last_axis)
    sform, qform = image.header["sform_code"] > 0, image.header["qform_code"] > 0
    second = np.array(image.header.get_qform(), np.float64) if sform and qform else None
    return array, Geometry(array.shape[1:], np.array(image.affine, np.float64), bool(sform or qform), second)


def write(path: Path, array: NDArray, geometry: Geometry, like: Path, *, label: bool) -> None:
    """Write (*S), or (*S, K), with the geometry `geometry`; if `like` is a NIfTI file, its header is copied."""
    import nibabel

    spatial = array.reshape(*array.shape[:2], 1, *array.shape[2:]) if geometry.axes == 2 and array.ndim > 2 else array
    if suffix_of(like) in (".nii", ".nii.gz"):
        header = _open(like).header.copy()
        header.set_data_dtype(array.dtype)
        header.set_slope_inter(1.0, 0.0)
        header["cal_max"] = header["cal_min"] = 0.0
        image = (nibabel.Nifti2Image if isinstance(header, nibabel.Nifti2Header) else nibabel.Nifti1Image)(
            spatial, None, header
        )
    else:
        image = nibabel.Nifti1Image(spatial, geometry.affine)
        _place(image, geometry.affine)
    if label:
        image.header.set_intent(_LABELS)
    content = image.to_bytes()
    write_atomically(path, gzip.compress(content, mtime=0) if suffix_of(path) == ".nii.gz" else content)


def _place(image: nibabel.Nifti1Image, affine: Affine) -> None:
    image.set_sform(affine, code=_PLACES)
    image.set_qform(affine, code=_PLACES)  # the nearest without shear, for viewers that do not read the sform
    image.header.set_xyzt_units("mm")


def _open(path: Path, what: str = "image") -> nibabel.Nifti1Image:
    """The image in the file, read to its end, so that gzip's checksum is verified."""
    import nibabel

    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # it also prints what it then raises
    content = read_regular(path)
    packed = content[:2] == b"\x1f\x8b"
    if not packed and suffix_of(path) == ".nii.gz":
        raise FormatFault(
            "is empty (0 bytes)" if not content else "is not gzip-compressed, though its name ends in .gz"
        )
    stream = gzip.GzipFile(fileobj=io.BytesIO(content)) if packed else io.BytesIO(content)
    head = _read(stream, _NIFTI2_HEADER)
    second = _NIFTI2_HEADER in (int.from_bytes(head[:4], order) for order in ("little", "big"))
    image = nibabel.Nifti2Image if second else nibabel.Nifti1Image
    try:
        header = image.header_class.from_fileobj(io.BytesIO(head), check=False)
        if math.isfinite(offset := float(header["vox_offset"])):  # else nibabel's check fails in itself
            header.check_fix()
        shape, dtype = header.get_data_shape(), header.get_data_dtype()
    except Exception as error:  # damaged headers make nibabel raise almost anything
        raise FormatFault(f"is not a readable NIfTI file: {shown(str(error))}") from None
    if not 0 <= offset < _MOST_BYTES:
        raise FormatFault(f"has a header with vox_offset {offset:g}: expected a number of bytes")
    if dtype.kind == "c":
        raise FormatFault(f"holds {dtype} voxels, and complex ones are not supported: save their magnitude instead")
    start, itemsize = int(offset), dtype.itemsize
    claimed = claimed_bytes(shape, itemsize, len(content), ratio=DEFLATE if packed else 1, skipped=start, what=what)
    voxels = head + _read(stream, max(start + claimed - len(head), 0))
    if len(voxels) < start + claimed:
        there = max(len(voxels) - start, 0)
        raise FormatFault(f"is truncated or damaged: {claimed:,} bytes of voxels are expected, it has {there:,}")
    behind = max(len(voxels) - start - claimed, 0) + len(
        _read(stream, _PADDING + 1)
    )  # to the end, where the checksum of gzip is verified
    if behind > _PADDING:
        raise FormatFault(
            f"is damaged, or has a header of another file: more than {_PADDING:,} bytes follow the "
            f"{' x '.join(map(str, shape))} voxels that its header claims"
        )
    try:
        return image.from_bytes(voxels)
    except Exception as error:
        raise FormatFault(f"is not a readable NIfTI file: {shown(str(error))}") from None


def _read(stream: gzip.GzipFile | io.BytesIO, count: int) -> bytes:
    """Up to `count` bytes, in chunks: memory is taken for what is there, not for what is claimed."""
    found = bytearray()
    try:
        while len(found) < count and (chunk := stream.read(min(count - len(found), _CHUNK))):
            found += chunk
        return bytes(found)
    except EOFError:
        raise FormatFault("is truncated: its gzip stream ends early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FormatFault(f"is damaged: {shown(str(error))}") from None
