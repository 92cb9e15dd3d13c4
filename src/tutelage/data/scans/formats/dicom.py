"""A DICOM series, by pydicom: a folder of slices of one volume, sorted by their position."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tutelage.core.memory import memory_fault
from tutelage.core.names import first_of, shown
from tutelage.core.regular import read_regular
from tutelage.data.scans.formats.claims import claimed_bytes
from tutelage.data.scans.formats.common import DICOM_SUFFIXES, FormatFault
from tutelage.data.scans.formats.files import files_of, is_dicom, stored_bytes
from tutelage.data.scans.geometry import Affine, Geometry

if TYPE_CHECKING:
    from pydicom import Dataset

_COPIES = 12  # bytes for each voxel: of the file, as float32, and prepared
_RATIO = 5000  # bytes that one byte of packed voxels unpacks to at most
_PARALLEL = 1e-3  # of two directions, each of length 1
_UNEVEN = 0.1  # of the distance of two slices: more is a slice that is missing
_RESCALE = (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))  # with what holds where a file states none
_TO_RAS = np.array([-1.0, -1.0, 1.0])  # DICOM's coordinates are LPS


def read(
    path: Path, what: str, channels_last_axis: bool, assumed_spacing: tuple[float, ...]
) -> tuple[NDArray, Geometry]:
    """(1, X, Y, Z) float32, rescaled as the files say, and the geometry of a series; all but `path` is ignored.

    X runs along the rows of the slices, Y along their columns, and Z from slice to slice, as SimpleITK has it.

    Args:
        path: a folder with one series, or a file with one slice.
    """
    slices = _slices(path)
    first_name, first = slices[0]
    normal = _normal(first_name, first)
    shape = int(first.Columns), int(first.Rows), len(slices)
    size = stored_bytes(path)
    if (fault := memory_fault(_COPIES * int(np.prod(shape, dtype=object)), size)) is not None:
        raise FormatFault(f"has {' x '.join(map(str, shape))} voxels and {fault}")
    slices.sort(key=lambda pair: float(np.dot(_position(*pair), normal)))
    for name, one in slices:
        _check_alike(name, one, first_name, first)
    affine = _affine(slices, normal)
    volume = np.empty(shape, np.float32)
    for place, (name, one) in enumerate(slices):
        volume[:, :, place] = _pixels(name, one).T
    return volume[None], Geometry(shape, affine)


def _slices(path: Path) -> list[tuple[str, Dataset]]:
    """The slices with their file names; other files are passed over, but not what is named like a slice."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    found: list[tuple[str, Dataset]] = []
    for file in files_of(path) if path.is_dir() else [path]:
        if not is_dicom(file):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of values that are not as the standard says, but are read
                one = pydicom.dcmread(io.BytesIO(read_regular(file)))
            if "PixelData" in one and "Rows" in one:
                _check_single(file.name, one)
                found.append((file.name, one))
        except FormatFault:
            raise
        except InvalidDicomError:
            if file.suffix.lower() in DICOM_SUFFIXES:
                raise FormatFault(f"holds {shown(file.name)}, which is no DICOM file") from None
        except OSError:
            raise
        except Exception as error:  # damaged files make pydicom raise almost anything
            raise FormatFault(f"holds {shown(file.name)}, which cannot be read: {_said(error)}") from None
    if not found:
        raise FormatFault("holds no DICOM slices: expected files of one series")
    series = {str(one.get("SeriesInstanceUID", "")) for _, one in found}
    if len(series) > 1:
        some = first_of([str(one.get("SeriesDescription", "") or "unnamed") for _, one in _one_each(found)], 3)
        raise FormatFault(f"holds {len(series)} DICOM series ({some}): expected a folder for each")
    return found


def _check_single(name: str, one: Dataset) -> None:
    if int(one.get("NumberOfFrames", 1) or 1) > 1:
        raise FormatFault(f"holds {shown(name)} with several frames: expected a file for each slice")
    if int(one.get("SamplesPerPixel", 1)) != 1:
        raise FormatFault(f"holds {shown(name)} in colors: expected one number for each voxel")


def _one_each(found: list[tuple[str, Dataset]]) -> list[tuple[str, Dataset]]:
    return list({str(pair[1].get("SeriesInstanceUID", "")): pair for pair in found}.values())


def _check_alike(name: str, one: Dataset, first_name: str, first: Dataset) -> None:
    packed = one.file_meta.TransferSyntaxUID.is_compressed
    claimed_bytes(
        (one.Columns, one.Rows),
        max(int(one.get("BitsAllocated", 8)) // 8, 1),
        len(one.PixelData or b""),
        ratio=_RATIO if packed else 1,
    )
    if (one.Rows, one.Columns) != (first.Rows, first.Columns):
        sizes = f"{one.Columns} x {one.Rows} and {first.Columns} x {first.Rows}"
        raise FormatFault(f"holds slices of different sizes: {sizes} in {shown(name)} and {shown(first_name)}")
    for key, count in (("ImageOrientationPatient", 6), ("PixelSpacing", 2)):
        own, other = _numbers(name, one, key, count), _numbers(first_name, first, key, count)
        if np.abs(own - other).max() > _PARALLEL * max(1.0, np.abs(other).max()):
            raise FormatFault(f"holds slices with different {key}: in {shown(name)} and {shown(first_name)}")


def _numbers(name: str, one: Dataset, key: str, count: int) -> NDArray[np.float64]:
    try:
        values = np.array([float(value) for value in one[key].value], np.float64)
    except (KeyError, TypeError, ValueError):
        values = np.zeros(0)
    if len(values) != count or not np.isfinite(values).all():
        raise FormatFault(f"holds {shown(name)}, which does not state its {key}")
    return values


def _position(name: str, one: Dataset) -> NDArray[np.float64]:
    return _numbers(name, one, "ImagePositionPatient", 3)


def _normal(name: str, one: Dataset) -> NDArray[np.float64]:
    directions = _numbers(name, one, "ImageOrientationPatient", 6)
    normal = np.cross(directions[:3], directions[3:])
    if abs(np.linalg.norm(normal) - 1.0) > 0.05:
        raise FormatFault(f"holds {shown(name)} with the directions {directions.tolist()}: expected a right angle")
    return np.asarray(normal, np.float64)


def _affine(slices: list[tuple[str, Dataset]], normal: NDArray[np.float64]) -> Affine:
    """From (column, row, slice) to RAS+ coordinates."""
    name, first = slices[0]
    directions = _numbers(name, first, "ImageOrientationPatient", 6)
    down, across = _numbers(name, first, "PixelSpacing", 2)  # between rows, and between columns
    places = np.array([_position(*pair) for pair in slices])
    step = normal * _thickness(first)
    if len(slices) > 1:
        gaps = np.diff(places @ normal)
        usual = float(np.median(gaps))
        if usual <= 0.0 or gaps.min() < _UNEVEN * usual:
            raise FormatFault("holds several slices at one place: expected one volume in each folder")
        odd = int(np.abs(gaps - usual).argmax())
        if abs(gaps[odd] - usual) > _UNEVEN * usual:
            raise FormatFault(
                f"lacks slices: {shown(slices[odd][0])} and the next one are {gaps[odd]:.3g} mm apart, others "
                f"{usual:.3g} mm"
            )
        step = (places[-1] - places[0]) / (len(slices) - 1)  # slanted, if the gantry was tilted
    lps = np.stack([directions[:3] * across, directions[3:] * down, step, places[0]], axis=1)
    affine = np.eye(4)
    affine[:3] = lps * _TO_RAS[:, None]
    return affine


def _thickness(one: Dataset) -> float:
    for key in ("SpacingBetweenSlices", "SliceThickness"):
        value: Any = one.get(key)
        if value and 0.0 < float(value) < 1e3:
            return float(value)
    return 1.0


def _pixels(name: str, one: Dataset) -> NDArray[np.float32]:
    """(rows, columns) in the unit of the scan, such as Hounsfield units."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = np.asarray(one.pixel_array, np.float32)
            slope, intercept = (float(one.get(key, usual)) for key, usual in _RESCALE)
    except Exception as error:  # damaged or packed voxels, in ways that pydicom cannot unpack
        raise FormatFault(f"holds {shown(name)}, whose voxels cannot be read: {_said(error)}") from None
    if values.shape != (one.Rows, one.Columns):
        raise FormatFault(f"holds {shown(name)} with voxels of the shape {values.shape}")
    return values * np.float32(slope) + np.float32(intercept)


def _said(error: Exception) -> str:
    return " ".join(shown(str(error)).split())[:200] or type(error).__name__
