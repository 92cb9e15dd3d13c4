"""Files of decoded images: a `.npy` array, and behind it the number of its rows and a checksum."""

from __future__ import annotations

import contextlib
import io
import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tutelage.data.images.framing import Pixels

Shape = tuple[int, int, int, int]  # (N, C, size, size)
_END = struct.Struct("<QI")  # rows, CRC-32 of all pixels
_BLOCK = 1 << 24  # bytes


def write_pixel_file(file: Path, rows: Iterator[Pixels], shape: Shape) -> Pixels:
    """Write the rows that come, at most `shape[0]`, and map the file into memory.

    It appears under its name when it is complete. It is not synced to the disk: after a crash the checksum tells.

    Raises:
        OSError: it cannot be written.
    """
    temporary = file.with_name(f"{file.name}.tmp-{os.getpid()}")
    count = checksum = 0
    try:
        with temporary.open("wb") as stream:
            stream.write(_header(shape))
            for row in rows:
                data = np.ascontiguousarray(row).data.cast("B")
                checksum = zlib.crc32(data, checksum)
                stream.write(data)
                count += 1
            stream.write(_END.pack(count, checksum))
            stream.seek(0)
            stream.write(_header((count, *shape[1:])))
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    return np.load(file, mmap_mode="r")


def read_pixel_file(file: Path, row: tuple[int, int, int]) -> Pixels | None:
    """The array of `write_pixel_file` with rows of shape `row`, mapped into memory; None if there is none.

    A file with another header, length or checksum is damaged, and is deleted.
    """
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(size - _END.size, 0))
            end = stream.read()
            count, expected = _END.unpack(end) if len(end) == _END.size else (0, -1)
            header = _header((count, *row))
            stream.seek(0)
            length = size - len(header) - _END.size
            whole = length == count * math.prod(row) and stream.read(len(header)) == header
            if whole and _checksum(stream, length) == expected:
                return np.load(file, mmap_mode="r")  # of an empty array, too, which a bare mapping refuses
    except OSError:
        return None
    with contextlib.suppress(OSError):
        file.unlink()
    return None


def _checksum(stream: BinaryIO, count: int) -> int:
    """CRC-32 of the next `count` bytes."""
    checksum = 0
    while block := stream.read(min(_BLOCK, count)):
        checksum, count = zlib.crc32(block, checksum), count - len(block)
    return checksum


def _header(shape: Shape) -> bytes:
    """The header of a `.npy` file; NumPy pads it, so that it is as long for any number of rows."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()
