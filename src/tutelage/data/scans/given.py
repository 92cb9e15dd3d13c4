"""Scans that Python code hands over: paths, arrays and tensors with their spacing, and nibabel images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError
from tutelage.core.frames import paths_of_frame
from tutelage.core.names import shown
from tutelage.core.wording import option
from tutelage.data.scans.formats.common import (
    SLICE_SUFFIXES,
    VOLUME_SUFFIXES,
    FormatFault,
    split_channels,
    suffix_of,
)
from tutelage.data.scans.geometry import Geometry, plain_geometry
from tutelage.data.scans.items import Case, names_apart
from tutelage.data.scans.reading import RawCase, intensity_faults, read_case
from tutelage.data.scans.source import list_scans


class SpatialImage(Protocol):
    """An image of nibabel: intensities, and an affine to RAS+ coordinates in mm."""

    @property
    def dataobj(self) -> Any: ...

    @property
    def affine(self) -> Any: ...


OneScan: TypeAlias = str | Path | NDArray[Any] | Tensor | SpatialImage
Scans: TypeAlias = OneScan | Sequence[OneScan]
"""A path of a scan or of a source of scans, an array or tensor, an image of nibabel, or a list of these."""

Spacing: TypeAlias = float | Sequence[float]
_EXPECTED = "a path, a NumPy array, a tensor, an image of nibabel, or a list of these"


@dataclass(frozen=True)
class Given:
    """One scan to segment: its case, and how it is read."""

    case: Case
    read: Callable[[ScanConfig], RawCase]


def list_given(
    scans: Scans,
    *,
    channels: int,
    axes: int,
    spacing: Spacing | None,
    affine: Any,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Given]:
    """The scans to segment, in order: those of a source, or those handed over, named `scan 0`, `scan 1`, ...

    Args:
        channels, axes: what the model takes.
        spacing: of arrays, in mm, one number for all axes or one for each.
        affine: of arrays, (4, 4) from voxel indices to RAS+ coordinates in mm; in place of `spacing`.
        tell: receives one line on each thing that is unusual in a source.

    Raises:
        DataError: a source does not exist or has no scans; an array has another shape or type, or no spacing.
    """
    scans = paths_of_frame(scans)
    if isinstance(scans, str | Path):
        return _in_source(str(scans), channels, axes, tell)
    alone = isinstance(scans, np.ndarray | Tensor) or hasattr(scans, "dataobj")
    if not alone and (isinstance(scans, dict | bytes) or not hasattr(scans, "__iter__")):
        raise DataError(f"scans of type {type(scans).__name__} cannot be read: expected {_EXPECTED}")
    given: list[Given] = []
    for number, one in enumerate([scans] if alone else list(scans)):  # type: ignore[arg-type]
        if isinstance(one, str | Path):
            given += _in_source(str(one), channels, axes, tell)
            continue
        name = f"scan {number}"
        if hasattr(one, "dataobj"):
            found = [_of_nibabel(one, name)]
        elif isinstance(one, np.ndarray | Tensor):
            array = one.detach().cpu().float().numpy() if isinstance(one, Tensor) else one
            geometry = _geometry(axes, spacing, affine, name)
            found = [(volume, geometry) for volume in _volumes(array, channels, axes, name)]
        else:
            raise DataError(f"{name} is of type {type(one).__name__}: expected {_EXPECTED}")
        batch = len(found) > 1
        for place, (volume, where) in enumerate(found):
            own = f"scan {place}" if batch and alone else f"{name}.{place}" if batch else name
            given.append(_in_memory(own, volume, where))
    if not given:
        raise DataError("there are no scans: the list is empty")
    cases = names_apart([one.case for one in given])  # files of one name in several folders
    return [replace(one, case=case) for one, case in zip(given, cases, strict=True)]


def _in_source(source: str, channels: int, axes: int, tell: Callable[[str], None]) -> list[Given]:
    listing = list_scans(source, role="predict", channels=channels)
    if not listing.cases and not listing.faults:
        listing.faults.append(f"{shown(source)} contains no scans")
    if axes == 3 and listing.cases and all(suffix_of(case.images[0]) in SLICE_SUFFIXES for case in listing.cases):
        listing.faults.append(
            f"{shown(source)} holds pictures, such as {shown(listing.cases[0].images[0].name)}; the model segments "
            f"three-dimensional scans ({' '.join(VOLUME_SUFFIXES)})"
        )
    if listing.faults:
        raise DataError(listing.faults)
    for warning in listing.warnings:
        tell(f"warning: {warning}")
    return [Given(case, lambda cfg, case=case: read_case(case, cfg, with_label=False)) for case in listing.cases]  # type: ignore[misc]


def _in_memory(name: str, image: NDArray[np.float32], geometry: Geometry) -> Given:
    def read(cfg: ScanConfig) -> RawCase:
        if cfg.crop_masks is not None:
            raise DataError("cannot be cropped: the model crops to masks that are named like the file of a scan")
        if faults := intensity_faults(image, name):
            raise DataError(faults)
        return RawCase(image, Geometry(image.shape[1:], geometry.affine, geometry.stated), None, None, [])

    return Given(Case(name, (Path(name),), None), read)


def _of_nibabel(image: Any, name: str) -> tuple[NDArray[np.float32], Geometry]:
    try:
        array = split_channels(np.asanyarray(image.dataobj), channels_last_axis=True)
    except FormatFault as fault:
        raise DataError(f"{name} {fault}") from None
    geometry = Geometry(array.shape[1:], np.array(image.affine, np.float64))
    return np.ascontiguousarray(array, np.float32), geometry


def _geometry(axes: int, spacing: Spacing | None, affine: Any, name: str) -> Geometry:
    """Of an array, whose shape is filled in later."""
    if spacing is not None and affine is not None:
        raise DataError(f"{name}: give {option('spacing')} or {option('affine')}, not both")
    if affine is not None:
        matrix = np.asarray(affine, np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
            raise DataError(f"{name}: affine must be an invertible matrix (4, 4), got the shape {matrix.shape}")
        return Geometry((0,) * axes, matrix)
    if spacing is None:
        raise DataError(
            f"{name} is an array, which knows no distances: give {option('spacing')} in mm along each axis, or "
            f"{option('affine')}"
        )
    steps = tuple(float(step) for step in (spacing if isinstance(spacing, Sequence | np.ndarray) else [spacing]))
    if len(steps) not in (1, axes) or not all(0.0 < step < float("inf") for step in steps):
        raise DataError(f"{name}: spacing must be one number above 0, or one for each of {axes} axes, got {spacing!r}")
    return plain_geometry((0,) * axes, steps)


def _volumes(array: NDArray[Any], channels: int, axes: int, name: str) -> list[NDArray[np.float32]]:
    """Each (C, *S), from (*S) of a model with one channel, (C, *S), or (N, C, *S)."""
    if array.dtype.kind not in "uif":
        raise DataError(f"{name} is of type {array.dtype}: expected numbers")
    single = array.ndim == axes and channels == 1
    if not single and (array.ndim not in (axes + 1, axes + 2) or array.shape[-axes - 1] != channels):
        letters = ", ".join("XYZ"[:axes])
        plain = f"({letters}), " if channels == 1 else ""
        expected = f"{plain}(C, {letters}) or (N, C, {letters}), with C = {channels}"
        raise DataError(f"{name} has the shape {array.shape}: expected {expected}")
    whole = array[None, None] if single else array[None] if array.ndim == axes + 1 else array
    with np.errstate(over="ignore"):  # values outside float32 become infinite and are refused later
        return [np.ascontiguousarray(volume, np.float32) for volume in whole]
