"""Reading volumes and masks from files of all formats.

A format is a suffix and a function that reads it. A file that cannot be read raises a `DataError` that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError, MissingExtra
from tutelage.core.memory import memory_fault
from tutelage.core.names import shown
from tutelage.core.third_party import fault_of
from tutelage.data.scans.formats import analyze, dicom, hdf5, metaimage, nifti, nrrd, slices
from tutelage.data.scans.formats.common import (
    DICOM_SUFFIXES,
    MASK_SLICE_SUFFIXES,
    SLICE_SUFFIXES,
    VOLUME_SUFFIXES,
    FormatFault,
    suffix_of,
)
from tutelage.data.scans.formats.files import stored_bytes
from tutelage.data.scans.geometry import Geometry

_ROUNDING = 1e-3  # of label values that were stored as fractions or with a scale
Reader = Callable[[Path, str, bool, tuple[float, ...]], tuple[NDArray, Geometry]]
_READERS: dict[str, Reader] = {
    ".nii": nifti.read,
    ".nii.gz": nifti.read,
    ".nrrd": nrrd.read,
    ".mha": metaimage.read,
    ".mhd": metaimage.read,
    ".hdr": analyze.read,
    ".h5": hdf5.read,
} | dict.fromkeys(SLICE_SUFFIXES, slices.read)
_READERS |= dict.fromkeys(DICOM_SUFFIXES, dicom.read)


def read_volume(
    path: Path, *, channels_last_axis: bool = False, assumed_spacing: tuple[float, ...] = ()
) -> tuple[NDArray[np.float32], Geometry]:
    """The intensities of a scan, (C, *S) float32, and its geometry.

    Args:
        channels_last_axis: a fourth axis holds channels. If False, a file with four axes is refused; axes of length 1
            beyond the third are always dropped. A file that names its channel axis does not need it.
        assumed_spacing: in mm along each axis, for files that state none.

    Raises:
        DataError: the file is missing, damaged, truncated, of another format, or has unexpected axes.
        MissingExtra: the package that reads this format is not installed.
    """
    array, geometry = _read(path, "image", channels_last_axis, assumed_spacing)
    with _faults(path), np.errstate(over="ignore"):  # values outside float32 become infinite and are refused later
        return np.ascontiguousarray(array, np.float32), geometry


def read_mask(path: Path, *, assumed_spacing: tuple[float, ...] = ()) -> tuple[NDArray[np.int32], Geometry]:
    """The label values of a mask, (*S) int32 as in the file, and its geometry.

    Raises:
        DataError: as `read_volume`; or a value is not a whole number.
        MissingExtra: as `read_volume`.
    """
    if suffix_of(path) in SLICE_SUFFIXES and suffix_of(path) not in MASK_SLICE_SUFFIXES:
        raise DataError(f"{shown(str(path))} is a JPEG, which changes label values: save masks as .png")
    array, geometry = _read(path, "label", False, assumed_spacing)
    if len(array) != 1:
        equal = len(array) > 0 and (array == array[:1]).all()
        keep = "; they are equal: keep one of them" if equal else ""
        raise DataError(f"{shown(str(path))} has {len(array)} channels: expected one label value per voxel{keep}")
    values = array[0]
    if values.dtype.kind == "f":
        whole = np.rint(values)
        wrong = ~(np.abs(values - whole) <= _ROUNDING) | ~(np.abs(whole) <= 2**30)  # also of NaN and infinity
        if wrong.any():
            raise DataError(
                f"{shown(str(path))} holds values that are not whole numbers, such as {values[wrong][0]:.6g}: expected "
                "label values"
            )
        values = whole
    elif values.dtype.kind in "iu" and values.size and (values.max() > 2**30 or values.min() < -(2**30)):
        raise DataError(f"{shown(str(path))} holds the value {values.max()}: expected label values")
    return np.ascontiguousarray(values, np.int32), geometry


def has_mask(path: Path) -> bool:
    """Whether an image file contains its own label; `.h5` files may.

    Raises:
        DataError: it cannot be read.
        MissingExtra: h5py is not installed.
    """
    if suffix_of(path) != ".h5":
        return False
    with _faults(path):
        return "label" in hdf5.dataset_names(path)


def _read(
    path: Path, what: str, channels_last_axis: bool, assumed_spacing: tuple[float, ...]
) -> tuple[NDArray, Geometry]:
    where, read = shown(str(path)), dicom.read if path.is_dir() else _READERS.get(suffix_of(path))
    if read is None:
        known = " ".join((*VOLUME_SUFFIXES, *DICOM_SUFFIXES, *SLICE_SUFFIXES))
        raise DataError(f"{where} is of no known format: expected one of {known}")
    with _faults(path):
        size = stored_bytes(path)
        if (fault := memory_fault(size, size)) is not None:
            raise FormatFault(fault)
        array, geometry = read(path, what, channels_last_axis, assumed_spacing)
        return _checked(where, array, geometry)


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """While open, whatever a reader raises is a fault of the file, and names it."""
    try:
        with fault_of(path, "DICOM series" if path.is_dir() else f"{suffix_of(path)} file", passed=(FormatFault,)):
            yield
    except FormatFault as fault:
        raise DataError(f"{shown(str(path))} {fault}") from None
    except ModuleNotFoundError as error:
        extra = "dicom" if error.name == "pydicom" else "medical"
        raise MissingExtra(f"reading {path.name}", str(error.name), extra) from None


def _checked(where: str, array: NDArray, geometry: Geometry) -> tuple[NDArray, Geometry]:
    """Both, if they are those of two or three axes of numbers in space."""
    if array.dtype.names is not None:
        parts = ", ".join(array.dtype.names)
        raise DataError(f"{where} holds colors ({parts}) in each voxel: expected one number, so keep one of them")
    if array.dtype.kind not in "fiub":
        raise DataError(f"{where} holds {array.dtype} values: expected numbers")
    if min(geometry.shape, default=0) < 1 or geometry.axes not in (2, 3):
        raise DataError(f"{where} has the shape {geometry.shape}: expected two or three axes with voxels")
    with np.errstate(over="ignore", invalid="ignore"):
        size = abs(np.linalg.det(geometry.affine[:3, :3]))  # of a voxel, in mm^3
    if not np.isfinite(geometry.affine).all() or not 1e-12 <= size < np.inf:
        raise DataError(f"{where} states a geometry in which voxels have no size: repair its header")
    return array, geometry
