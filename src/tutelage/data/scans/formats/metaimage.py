"""MetaImage of ITK, plain or zlib-compressed: `.mha`, and `.mhd` with the voxels in a file beside it.

Neither nibabel nor MONAI's own code reads it, and SimpleITK takes 273 MB; the header is only a few lines of text.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.files import write_atomically
from tutelage.core.memory import DEFLATE
from tutelage.core.names import brief, shown
from tutelage.core.regular import read_regular
from tutelage.data.scans.formats.claims import claimed_bytes, unpacked
from tutelage.data.scans.formats.common import FormatFault, split_channels
from tutelage.data.scans.formats.files import beside, is_mhd
from tutelage.data.scans.geometry import Affine, Geometry, plain_geometry

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_NEEDED = ("DimSize", "ElementNumberOfChannels", "ElementSpacing", "TransformMatrix", "Offset")
_LONGEST_HEADER = 1 << 16  # bytes
_MOST_CHANNELS = 1 << 16
_LONGEST_NUMBER = 15  # digits
_TO_RAS = np.array([-1.0, -1.0, 1.0])  # ITK's coordinates are LPS


def read(
    path: Path, what: str, channels_last_axis: bool, assumed_spacing: tuple[float, ...]
) -> tuple[NDArray, Geometry]:
    """(C, *S) and the geometry of a `.mha` or `.mhd` file."""
    content = read_regular(path)
    header, start = _header(content)
    try:
        sizes = [int(word) for word in header["DimSize"].split()]
        channels = int(header.get("ElementNumberOfChannels", "1"))
        order = ">" if _true(header, "BinaryDataByteOrderMSB") or _true(header, "ElementByteOrderMSB") else "<"
        dtype = np.dtype(order + _TYPES[header["ElementType"]])
        affine = _affine(header, len(sizes))
        if not 1 <= channels <= _MOST_CHANNELS:
            raise KeyError("ElementNumberOfChannels")
    except (KeyError, ValueError) as error:
        said = brief(str(error)) if isinstance(error, KeyError) else "one of " + ", ".join(_NEEDED)
        raise FormatFault(f"has a MetaImage header that lacks or garbles {said}") from None
    _check_claims(header, len(sizes), start)
    data, packed = _data(path, header, content, start), _true(header, "CompressedData")
    expected = claimed_bytes(sizes, dtype.itemsize * channels, len(data), ratio=DEFLATE if packed else 1, what=what)
    if packed:
        size = _number(header, "CompressedDataSize", "0")
        if size > len(data):
            raise FormatFault(f"is truncated: its CompressedDataSize is {size}, and {len(data)} bytes are there")
        data = unpacked(data[:size] if size > 0 else data, "zlib", expected)
    elif header.get("HeaderSize") == "-1":  # the voxels are at the end
        data = data[-expected:]
    if len(data) != expected:
        raise FormatFault(f"is truncated or damaged: {expected} bytes of voxels are expected, it has {len(data)}")
    values = np.frombuffer(data, dtype).reshape(*reversed(sizes), channels)  # x varies fastest, except for channels
    values = values.transpose(*reversed(range(len(sizes))), len(sizes))
    if channels > 1:
        if values.ndim > 4:
            raise FormatFault(f"has {len(sizes)} axes and {channels} channels: expected up to three axes")
        array = np.moveaxis(values, -1, 0)
    else:
        array = split_channels(values[..., 0], channels_last_axis)
    shape = array.shape[1:]
    return array, plain_geometry(shape, assumed_spacing) if affine is None else Geometry(shape, affine)


def write(path: Path, mask: NDArray[np.uint8], geometry: Geometry) -> None:
    """Write a mask (*S) as a zlib-compressed `.mha` file; what the scan does not state is not stated here either."""
    axes, spacing = geometry.axes, np.array(geometry.spacing)
    lps = geometry.affine[:3] * _TO_RAS[:, None]
    directions = (lps[:axes, :axes] / spacing).T  # one row per axis
    data = zlib.compress(mask.tobytes(order="F"))
    lines = [
        "ObjectType = Image",
        f"NDims = {axes}",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = True",
        f"CompressedDataSize = {len(data)}",
        *([f"TransformMatrix = {_words(directions.ravel())}"] if geometry.stated else []),
        *([f"Offset = {_words(lps[:axes, 3])}"] if geometry.stated else []),
        f"ElementSpacing = {_words(spacing)}",
        f"DimSize = {' '.join(map(str, mask.shape))}",
        "ElementType = MET_UCHAR",
        "ElementDataFile = LOCAL",
    ]
    write_atomically(path, "\n".join(lines).encode() + b"\n" + data)


def _header(content: bytes) -> tuple[dict[str, str], int]:
    """The keys of the header and the offset of the voxels."""
    header: dict[str, str] = {}
    start = 0
    while "ElementDataFile" not in header:
        end = content.find(b"\n", start, _LONGEST_HEADER)
        key, equals, value = content[start:end].decode("latin-1").partition("=")
        if end < 0 or not equals:
            raise FormatFault("is empty (0 bytes)" if not content else "is no MetaImage: it has no header of this kind")
        header[key.strip()] = value.strip()
        start = end + 1
    return header, start


def _data(path: Path, header: dict[str, str], content: bytes, start: int) -> bytes:
    """The bytes of the voxels: behind the header, or in the file beside it that it names."""
    name = header["ElementDataFile"]
    if name == "LOCAL":
        return content[start:]
    if not is_mhd(path):
        raise FormatFault(f"keeps its voxels in '{shown(name)}': expected them in the file itself")
    file = beside(path, name)
    if file is None:
        raise FormatFault(f"keeps its voxels in '{shown(name)}', which is no file beside it: expected one file of them")
    return read_regular(file)[max(_number(header, "HeaderSize", "0"), 0) :]


def _check_claims(header: dict[str, str], axes: int, start: int) -> None:
    """Refuse a header that contradicts itself, or the place `start` of the voxels behind it."""
    if header.get("BinaryData", "True").lower() != "true":
        said = brief(header["BinaryData"])
        raise FormatFault(f"has a MetaImage header with BinaryData {said}: expected True, voxels as text are not read")
    if (claimed := _number(header, "NDims", str(axes))) != axes:
        raise FormatFault(f"has a MetaImage header with NDims {claimed} and {axes} numbers in DimSize: it is damaged")
    skipped = _number(header, "HeaderSize", "0")
    if header["ElementDataFile"] == "LOCAL" and skipped not in (-1, 0, start):
        raise FormatFault(f"has a MetaImage header with HeaderSize {skipped}, and its voxels begin at byte {start}")


def _number(header: dict[str, str], key: str, default: str) -> int:
    text = header.get(key, default)
    if not text.removeprefix("-").isdecimal() or len(text) > _LONGEST_NUMBER:
        what = "axes" if key == "NDims" else "bytes"
        raise FormatFault(f"has a MetaImage header with {key} {brief(text)}: expected a number of {what}")
    return int(text)


def _affine(header: dict[str, str], axes: int) -> Affine | None:
    """(4, 4) to RAS; None if the header states neither spacing nor origin."""

    def numbers(*keys: str) -> NDArray[np.float64] | None:
        text = next((header[key] for key in keys if key in header), None)
        return None if text is None else np.array([float(word) for word in text.split()])

    spacing = numbers("ElementSpacing", "ElementSize")
    matrix = numbers("TransformMatrix", "Rotation", "Orientation")
    offset = numbers("Offset", "Position", "Origin")
    if spacing is None and matrix is None and offset is None:
        return None
    used = min(axes, 3)
    affine = np.eye(4)
    if matrix is not None:
        affine[:used, :used] = matrix.reshape(axes, axes).T[:used, :used]
    if spacing is not None:
        affine[:3, :used] *= spacing[:used]
    if offset is not None:
        affine[:used, 3] = offset[:used]
    affine[:3] *= _TO_RAS[:, None]
    if used == 2:
        affine[2] = (0.0, 0.0, 1.0, 0.0)
    return affine


def _true(header: dict[str, str], key: str) -> bool:
    return header.get(key, "False").lower() == "true"


def _words(numbers: NDArray[np.float64]) -> str:
    return " ".join(repr(float(number)) for number in numbers)
