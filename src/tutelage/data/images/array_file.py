"""Opens `.npz` files, and reads what the headers of their arrays claim: bounded, and before any memory is taken."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tutelage.core.memory import DEFLATE, memory_fault, size_text
from tutelage.core.names import brief, shown
from tutelage.core.regular import open_regular

_SUFFIX = ".npy"
_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 1 << 16  # bytes
_ROW = 300  # bytes of what is kept of each row
_COPIES = 2  # of an array, while it is read
_HOW = "as numpy.savez(file, x=..., y=...) writes it"
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # names of fields in UTF-8 are all that differs
}


class ArrayFault(Exception):
    """A file of arrays cannot be read. The message completes a sentence that starts with the file name."""


class ArrayHeader(NamedTuple):
    """Shape and type of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype


class ArrayFile:
    """An open `.npz` file; see `open_arrays`.

    Attributes:
        arrays: the names of its arrays.
        others: the names of what else it holds.
    """

    def __init__(self, archive: zipfile.ZipFile, present: int) -> None:
        self._archive, self._present = archive, present
        names = archive.namelist()
        self.arrays = [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]
        self.others = [name for name in names if not name.endswith(_SUFFIX)]

    def header(self, array: str) -> ArrayHeader:
        """What the header of an array claims.

        Raises:
            ArrayFault: it is none, is damaged, or claims what cannot be there or would take too much memory.
        """
        info = self._archive.getinfo(array + _SUFFIX)
        if info.flag_bits & 1:
            raise ArrayFault(f"is encrypted: expected arrays {_HOW}")
        with _damage_of(array), self._archive.open(info) as stream:
            start = io.BytesIO(stream.read(_LONGEST_HEADER))
        shape, dtype = _parsed(array, start)
        if dtype.hasobject:
            raise ArrayFault(
                f"'{brief(array)}' holds Python objects, which are not read, since they may run code: save it as "
                "numbers, or as text of a fixed length, as numpy.array(names, dtype=str)"
            )
        most = min(info.file_size, DEFLATE * min(info.compress_size, self._present))
        needed = math.prod(shape) * dtype.itemsize
        if needed > most:
            raise ArrayFault(
                f"'{brief(array)}' claims the shape {shape} ({size_text(needed)}), of which {size_text(most)} are "
                "there: save or copy the file again"
            )
        if (fault := memory_fault(_COPIES * needed + _ROW * max(shape[:1], default=0), self._present)) is not None:
            raise ArrayFault(f"'{brief(array)}' of shape {shape} {fault}")
        return ArrayHeader(shape, dtype)

    def read(self, array: str) -> NDArray:
        """An array.

        Raises:
            ArrayFault: as `header`; or it is damaged.
        """
        self.header(array)
        with _damage_of(array), self._archive.open(array + _SUFFIX) as stream:
            values: NDArray = np.lib.format.read_array(stream, allow_pickle=False)
            while stream.read(_LONGEST_HEADER):
                pass  # up to the end, where the checksum is verified
            return values


@contextmanager
def open_arrays(path: Path) -> Iterator[ArrayFile]:
    """The arrays of a `.npz` file.

    Raises:
        ArrayFault: it cannot be read, or is no such file.
    """
    try:
        stream = open_regular(path)
    except OSError as error:
        raise ArrayFault(f"cannot be read: {shown(str(error.strerror or error))}") from None
    with stream:
        present, start = path.stat().st_size, stream.read(len(_MAGIC))
        if not present:
            raise ArrayFault("is empty (0 bytes)")
        if start == _MAGIC:
            raise ArrayFault(f"is a single array: expected several {_HOW}")
        with _archive(stream) as archive:
            yield ArrayFile(archive, present)


def _archive(stream: IO[bytes]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except Exception as error:  # damaged bytes make it raise almost anything
        said = shown(str(error))[:200] or type(error).__name__
        raise ArrayFault(f"is not a readable .npz file: {said}: expected arrays {_HOW}") from None


def _parsed(array: str, start: io.BytesIO) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type by the first bytes of an array."""
    name = brief(array)
    try:
        version = np.lib.format.read_magic(start)
    except ValueError:
        raise ArrayFault(f"'{name}' is no array of NumPy: expected arrays {_HOW}") from None
    if version not in _READERS:
        known = ", ".join(f"{major}.{minor}" for major, minor in _READERS)
        raise ArrayFault(f"'{name}' has the format {version[0]}.{version[1]}: expected one of {known}")
    try:
        shape, _, dtype = _READERS[version](start)
    except Exception:  # damaged text makes NumPy raise almost anything
        raise ArrayFault(f"'{name}' has a damaged header: save or copy the file again") from None
    if any(isinstance(side, bool) or side < 0 for side in shape):
        raise ArrayFault(f"'{name}' claims the shape {shape}: expected lengths of 0 or more: save the file again")
    return shape, dtype


@contextmanager
def _damage_of(array: str) -> Iterator[None]:
    """While open, whatever is raised is damage of an array."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        said = shown(str(error))[:200] or type(error).__name__
        raise ArrayFault(f"'{brief(array)}' is damaged ({said}): save or copy the file again") from None
