"""The HDF5 files of UA-MT and its relatives: the datasets `image` and `label`, without a geometry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tutelage.core.names import shown
from tutelage.core.regular import refuse_special
from tutelage.data.scans.formats.claims import claimed_bytes
from tutelage.data.scans.formats.common import FormatFault, split_channels
from tutelage.data.scans.geometry import Geometry, plain_geometry

if TYPE_CHECKING:
    import h5py

_RATIO = 5000  # bytes that one byte of a packed dataset unpacks to at most
_SPARE = 1 << 16  # bytes: small datasets need not be written at all


def read(
    path: Path, what: str, channels_last_axis: bool, assumed_spacing: tuple[float, ...]
) -> tuple[NDArray, Geometry]:
    """(C, *S) of the dataset `what`, and a plain geometry with the assumed spacing."""
    import h5py

    with _open(path) as file:
        link = file.get(what, getlink=True)
        if link is not None and not isinstance(link, h5py.HardLink):
            raise FormatFault(f"keeps its dataset '{what}' behind a link: expected it in the file itself")
        if link is not None and isinstance(file[what], h5py.Group):
            raise FormatFault(f"has a group '{what}': expected a dataset of that name")
        if link is None or not isinstance(file[what], h5py.Dataset):
            raise FormatFault(f"has no dataset '{what}'; it has {shown(', '.join(file) or 'nothing')}")
        stored = file[what]
        if stored.external or stored.is_virtual:
            raise FormatFault(f"keeps the values of '{what}' in other files: expected them in the file itself")
        for shape in (stored.shape, stored.chunks):  # chunks may be larger than all that they hold
            if shape:  # a filter that packs most tightly, and chunks that were never written
                claimed_bytes(
                    shape, stored.dtype.itemsize, stored.id.get_storage_size() + _SPARE, ratio=_RATIO, what=what
                )
        try:
            values = np.asarray(stored[()])
        except (OSError, ValueError, TypeError) as error:
            raise FormatFault(f"is truncated or damaged: {shown(str(error))}") from None
    array = split_channels(values, channels_last_axis)
    return array, plain_geometry(array.shape[1:], assumed_spacing)


def dataset_names(path: Path) -> list[str]:
    """The names at the top level of the file."""
    with _open(path) as file:
        return list(file)


def _open(path: Path) -> h5py.File:
    import h5py

    refuse_special(path)  # and a missing file is reported as missing
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise FormatFault(f"is not a readable HDF5 file: {shown(str(error))}") from None
