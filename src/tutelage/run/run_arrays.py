"""Files of arrays in a run folder: how they are written and read."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import RunError
from tutelage.core.files import write_atomically
from tutelage.core.regular import open_regular
from tutelage.core.third_party import fault_of
from tutelage.core.zip_claims import zip_fault

_FLAT = 1e-12


def write_arrays(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name as a compressed `.npz` file."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    write_atomically(file, stream.getvalue())


def read_arrays(file: Path, what: str, *needed: str) -> dict[str, NDArray[Any]] | None:
    """The arrays of a file by name; None if there is no such file.

    Args:
        what: it should be, such as "file of features".
        needed: names of arrays that it must hold.

    Raises:
        RunError: it cannot be read, or is damaged.
    """
    if not os.path.lexists(file):
        return None
    with fault_of(file, what, RunError), open_regular(file) as stream:
        if not is_zipfile(stream):
            raise RunError(f"{file} is damaged: it is no .npz file")
        if (fault := zip_fault(stream, os.fstat(stream.fileno()).st_size)) is not None:
            raise RunError(f"{file} {fault}")
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as arrays:
            if missing := [name for name in needed if name not in arrays.files]:
                raise RunError(f"{file} is damaged: it has no array {missing[0]}")
            return {name: arrays[name] for name in arrays.files}


def directions_of(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features (n, F), each row scaled to length 1."""
    length = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    scaled: NDArray[np.float32] = (features / np.maximum(length, _FLAT)).astype(np.float32)
    return scaled
