"""NRRD, by pynrrd."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tutelage.core.files import atomic_file
from tutelage.core.memory import DEFLATE, size_text
from tutelage.core.names import brief, shown
from tutelage.core.regular import open_regular
from tutelage.data.scans.formats.claims import claimed_bytes, unpacked
from tutelage.data.scans.formats.common import COLORS, FormatFault, split_channels
from tutelage.data.scans.geometry import Geometry, plain_geometry

_PACKED = dict.fromkeys(("gzip", "gz"), "gzip") | dict.fromkeys(("bzip2", "bz2"), "bz2")  # as NRRD calls them
_BZ2 = 1 << 17  # bytes that one byte of bz2 unpacks to, with some to spare
_TEXT = ("ascii", "text", "txt")  # at least one character for each voxel
_NEEDED = ("type", "dimension", "sizes", "encoding")  # fields of every header
_LONGEST_HEADER = 1 << 20  # bytes
_LONGEST_SAID = 300  # characters of what pynrrd says
_TO_RAS = {  # sign of x and y, by the space in the header
    "left-posterior-superior": (-1.0, -1.0),
    "lps": (-1.0, -1.0),
    "left-anterior-superior": (-1.0, 1.0),
    "las": (-1.0, 1.0),
    "right-anterior-superior": (1.0, 1.0),
    "ras": (1.0, 1.0),
}


def read(
    path: Path, what: str, channels_last_axis: bool, assumed_spacing: tuple[float, ...]
) -> tuple[NDArray, Geometry]:
    """(C, *S) and the geometry of an NRRD file."""
    try:
        with open_regular(path) as stream:
            with np.errstate(over="raise", invalid="raise"):  # where NumPy would warn on the terminal
                header = _header(stream)
            apart = next((header[key] for key in ("data file", "datafile") if key in header), None)
            values = None if apart is not None else _voxels(header, stream, what)
    except (OSError, FormatFault, MemoryError):
        raise
    except ModuleNotFoundError:
        raise
    except (ValueError, ArithmeticError):
        raise FormatFault("has an NRRD header with a value that is no number, or too large: it is damaged") from None
    except KeyError as error:
        raise FormatFault(f"has an NRRD header without the field '{brief(str(error.args[0]))}'") from None
    except Exception as error:  # damaged files make pynrrd raise almost anything
        raise FormatFault(f"is not a readable NRRD file: {shown(str(error))[:_LONGEST_SAID]}") from None
    if values is None:
        raise FormatFault(f"keeps its voxels in '{brief(str(apart))}': expected them in the file itself")
    directions = _directions(header)
    if directions is None:
        array = split_channels(values, channels_last_axis)
        return array, plain_geometry(array.shape[1:], _spacing(header, array.ndim - 1) or assumed_spacing)
    in_space: NDArray[np.bool_] = np.all(np.isfinite(directions), axis=1)
    if values.ndim != len(in_space) or in_space.sum() not in (2, 3):
        raise FormatFault(f"has {values.ndim} axes, {int(in_space.sum())} of them in space: expected two or three")
    array = values.transpose(*np.flatnonzero(~in_space), *np.flatnonzero(in_space))  # channels come first
    array = array.reshape(-1, *array.shape[int((~in_space).sum()) :])
    signs = _TO_RAS.get(str(header["space"]).lower())
    if signs is None or directions.shape[1] != 3:
        raise FormatFault(f"lies in the space '{brief(str(header['space']))}': expected one of {', '.join(_TO_RAS)}")
    affine = np.eye(4)
    affine[:3, : int(in_space.sum())] = directions[in_space].T
    affine[:3, 3] = header.get("space origin", np.zeros(3))
    affine[:2] *= np.array(signs)[:, None]
    return array, Geometry(array.shape[1:], affine)


def write(path: Path, mask: NDArray[np.uint8], geometry: Geometry, names: Sequence[str], values: Sequence[int]) -> None:
    """Write a mask (*S) as a compressed NRRD file that names the classes, except value 0, as segments for Slicer."""
    import nrrd

    header: dict[str, Any] = {"kinds": ["domain"] * geometry.axes, "encoding": "gzip"}
    if geometry.stated:
        affine = geometry.affine.copy()
        affine[:2] *= -1.0  # to LPS, which all readers support
        header |= {
            "space": "left-posterior-superior",
            "space directions": affine[:3, : geometry.axes].T,
            "space origin": affine[:3, 3],
        }
    else:  # readers then place both files in the same way
        header["spacings"] = list(geometry.spacing)
    extent = " ".join(f"0 {n - 1}" for n in geometry.shape)
    segments = [(name, value) for name, value in zip(names, values, strict=True) if value]
    for number, (name, value) in enumerate(segments):
        header |= {
            f"Segment{number}_ID": f"Segment_{value}",
            f"Segment{number}_Name": name,
            f"Segment{number}_LabelValue": str(value),
            f"Segment{number}_Layer": "0",
            f"Segment{number}_Extent": extent,
            f"Segment{number}_Color": " ".join(f"{part / 255:.3g}" for part in COLORS[number % len(COLORS)]),
        }
    with atomic_file(path) as stream:
        nrrd.write(stream, mask, header)


def _header(stream: BinaryIO) -> dict[str, Any]:
    """The fields of the header; the voxels come next in the stream."""
    import nrrd

    start = io.BytesIO(stream.read(_LONGEST_HEADER))
    if not start.getbuffer().nbytes:
        raise FormatFault("is empty (0 bytes)")
    header: dict[str, Any] = nrrd.read_header(start)
    if (lacking := next((field for field in _NEEDED if field not in header), None)) is not None:
        raise KeyError(lacking)
    if start.tell() == _LONGEST_HEADER:
        raise FormatFault(f"has a header of {size_text(_LONGEST_HEADER)} or more: it is damaged")
    stream.seek(start.tell())
    return header


def _skip(header: dict[str, Any], stream: BinaryIO) -> int:
    """Skip the lines before the voxels; the bytes to be skipped behind them, -1 if the voxels are at the end."""
    lines, count = (int(header.get(f"{word}skip", header.get(f"{word} skip", 0))) for word in ("line", "byte"))
    present = os.fstat(stream.fileno()).st_size
    if not 0 <= lines <= present or not -1 <= count <= present:
        raise FormatFault(
            f"has a header that skips {brief(str(lines))} lines and {brief(str(count))} bytes, and the file has "
            f"{present:,} bytes: expected 0 or more, or -1 bytes"
        )
    if not all(stream.readline() for _ in range(lines)):
        raise FormatFault(f"has a header that skips {lines} lines, which are not there: it is damaged")
    return count


def _voxels(header: dict[str, Any], stream: BinaryIO, what: str) -> NDArray[Any]:
    """The voxels, which are unpacked here, since pynrrd unpacks whatever is there."""
    import nrrd

    encoding = str(header["encoding"]).lower()
    kind = _PACKED.get(encoding)
    skipped = _skip(header, stream)
    content = stream.read()
    itemsize = 1 if encoding in _TEXT else np.dtype(nrrd.reader._determine_datatype(header)).itemsize
    sizes = [int(size) for size in header["sizes"]]
    ratio = {None: 1, "gzip": DEFLATE, "bz2": _BZ2}[kind]
    claimed = claimed_bytes(sizes, itemsize, len(content), ratio=ratio, skipped=max(skipped, 0), what=what)
    plain = header | {"lineskip": 0, "line skip": 0}
    if kind is not None:
        content, plain = unpacked(content, kind, claimed + max(skipped, 0)), plain | {"encoding": "raw"}
    values: NDArray[Any] = nrrd.read_data(plain, io.BytesIO(content))
    return values


def _spacing(header: dict[str, Any], axes: int) -> tuple[float, ...]:
    """The spacing of a file that names no space, or None."""
    spacing = np.asarray(header.get("spacings", np.full(axes, np.nan)), np.float64)[:axes]
    if "space directions" in header:
        spacing = np.array([np.nan if row is None else np.linalg.norm(row) for row in header["space directions"]])[
            :axes
        ]
    return tuple(spacing.tolist()) if len(spacing) == axes and np.isfinite(spacing).all() else ()


def _directions(header: dict[str, Any]) -> NDArray[np.float64] | None:
    """(axes, 3) with NaN for axes that are not in space; None if the header states no directions."""
    if "space" not in header or "space directions" not in header:
        return None
    rows = header["space directions"]
    width = max(np.size(row) for row in rows if row is not None)
    return np.array([np.full(width, np.nan) if row is None else row for row in rows], np.float64)
