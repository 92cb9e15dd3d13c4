"""Files of decoded images: a `.npy` array, and behind it the number of its rows and a checksum."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tutelage.data.images.framing import Pixels

Shape = tuple[int, int, int, int]  # (N, C, size, size)
_END = struct.Struct("<QI")  # rows, CRC-32 of all pixels
_BLOCK = 1 << 24  # bytes
_BROKEN = (OSError, ValueError, struct.error, EOFError, SyntaxError)


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
    return _map(file)


def read_pixel_file(file: Path) -> Pixels | None:
    """The array of `write_pixel_file`, mapped into memory; None if there is none. A damaged file is deleted."""
    if not file.exists():
        return None
    try:
        pixels = _map(file)
        size = file.stat().st_size
        with file.open("rb") as stream:
            stream.seek(size - _END.size)
            rows, expected = _END.unpack(stream.read(_END.size))
            begin, end = size - _END.size - pixels.nbytes, size - _END.size
            stream.seek(begin)
            checksum = 0
            while begin < end:
                block = stream.read(min(_BLOCK, end - begin))
                if not block:
                    raise EOFError
                checksum, begin = zlib.crc32(block, checksum), begin + len(block)
        if (rows, expected) == (len(pixels), checksum) and pixels.dtype == np.uint8 and pixels.ndim == 4:
            return pixels
    except _BROKEN:
        pass
    file.unlink(missing_ok=True)
    return None


def _header(shape: Shape) -> bytes:
    """The header of a `.npy` file; NumPy pads it, so that it is as long for any number of rows."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def _map(file: Path) -> Pixels:
    return np.load(file, mmap_mode="r")
