"""Reading a case from its files: all channels on one grid, its label, and what does not fit together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError
from tutelage.core.inputs import user_path
from tutelage.core.names import shown
from tutelage.data.scans.formats.common import MASK_SLICE_SUFFIXES, VOLUME_SUFFIXES, existing, stem_of
from tutelage.data.scans.formats.read import read_mask, read_volume
from tutelage.data.scans.geometry import Geometry, turned_onto
from tutelage.data.scans.items import Case
from tutelage.data.scans.turned_labels import turned_over, warning_of_turned

TOLERANCE = 1e-3  # mm, between the positions of a voxel in image and label


@dataclass
class RawCase:
    """The contents of the files of a case.

    Attributes:
        image: (C, *S) float32.
        label: (*S) uint8 label values, or None.
        crop: (*S) bool, the mask that `scan.crop` asks for, or None.
        warnings: what is unusual but was accepted; safe to print.
    """

    image: NDArray[np.float32]
    geometry: Geometry
    label: NDArray[np.uint8] | None
    crop: NDArray[np.bool_] | None
    warnings: list[str]


def read_case(case: Case, cfg: ScanConfig, *, with_label: bool = True) -> RawCase:
    """Read all files of a case and check that they are on the grid of its first image.

    Raises:
        DataError: with all faults: a file cannot be read, intensities are not finite or all equal, channels, label
            or mask are on different grids, or a label value is not in [0, 255].
    """
    warnings: list[str] = []
    image, geometry = _read_channels(case, cfg, warnings)
    faults = intensity_faults(image, case.place)
    label = crop = None
    try:
        if with_label and case.label is not None:
            label = _read_label(case.label, case, geometry, cfg, warnings)
        mask = crop_mask(case, cfg)
        if mask is not None:
            crop = _read_crop(mask, case, geometry, cfg, warnings)
    except DataError as error:
        faults += error.faults
    if faults:
        raise DataError(faults)
    if label is not None:
        _warn_of_turned(case, image, (label != 0) & (label != cfg.ignore_label), warnings)
    return RawCase(image, geometry, label, crop, warnings)


def _warn_of_turned(case: Case, image: NDArray[np.float32], inside: NDArray[np.bool_], warnings: list[str]) -> None:
    """A warning where a label fits its image much better when it is turned over."""
    if (found := turned_over(image, inside)) is not None:
        warnings.append(warning_of_turned(shown(str(case.label)), found))


def intensity_faults(image: NDArray[np.float32], place: str) -> list[str]:
    """What is wrong with the intensities (C, *S) of the scan at `place`: some are not finite, or all are equal."""
    broken = int((~np.isfinite(image)).sum())
    if broken:
        return [f"{shown(place)} holds {broken} intensities that are NaN or infinite as float32: repair the file"]
    return [
        f"{shown(place)}: all intensities of channel {number} are {channel.flat[0]:g}"
        for number, channel in enumerate(image, 1)
        if channel.min() == channel.max()
    ]


def crop_mask(case: Case, cfg: ScanConfig) -> Path | None:
    """The mask in `scan.crop_masks` named like the case or its first image; None if no masks are asked for.

    Raises:
        DataError: there is none.
    """
    if cfg.crop_masks is None:
        return None
    folder = user_path(cfg.crop_masks)
    names = dict.fromkeys((case.name, stem_of(case.images[0])))
    for name in names:
        for suffix in (*VOLUME_SUFFIXES, *MASK_SLICE_SUFFIXES):
            if (mask := existing(folder / f"{name}{suffix}")).is_file():
                return mask
    raise DataError(f"{shown(str(folder))} has no mask for {shown(case.place)}, which scan.crop = 'mask' asks for")


def _read_channels(case: Case, cfg: ScanConfig, warnings: list[str]) -> tuple[NDArray[np.float32], Geometry]:
    def read(path: Path) -> tuple[NDArray[np.float32], Geometry]:
        return read_volume(path, channels_last_axis=cfg.channels_last_axis, assumed_spacing=cfg.assumed_spacing)

    image, geometry = read(case.images[0])
    geometry = one_geometry(case.images[0], geometry, cfg, warnings)
    if len(case.images) == 1:
        return image, geometry
    channels, faults = [image], []
    for path in case.images[1:]:
        further, other = read(path)
        other = one_geometry(path, other, cfg, warnings)
        if other.shape != geometry.shape or other.distance(geometry) > TOLERANCE:
            faults.append(f"{shown(str(path))} lies on another grid than {shown(case.images[0].name)}: resample it")
        channels.append(further)
    if faults:
        raise DataError(faults)
    return np.concatenate(channels), geometry


def one_geometry(path: Path, geometry: Geometry, cfg: ScanConfig, warnings: list[str]) -> Geometry:
    """The geometry that counts, of a NIfTI file with two; a warning if they differ by half a voxel or more."""
    if geometry.second is None:
        return geometry
    other = Geometry(geometry.shape, geometry.second)
    apart = geometry.distance(other)
    used = other if cfg.nifti_form == "qform" else Geometry(geometry.shape, geometry.affine)
    if apart >= min(*geometry.spacing, *other.spacing) / 2:
        warnings.append(
            f"{shown(str(path))} states two geometries, up to {apart:.3g} mm apart: voxels of {_in_words(geometry)} by "
            f"its sform, of {_in_words(other)} by its qform. The {cfg.nifti_form} counts (scan.nifti_form); other "
            "programs may read the other one"
        )
    return used


def _in_words(geometry: Geometry) -> str:
    return f"{' x '.join(f'{step:.3g}' for step in geometry.spacing)} mm, axes {geometry.codes or '-'}"


def _read_label(path: Path, case: Case, geometry: Geometry, cfg: ScanConfig, warnings: list[str]) -> NDArray[np.uint8]:
    label, own = read_mask(path, assumed_spacing=cfg.assumed_spacing)
    label = _on_grid(label, path, own, case, geometry, cfg, warnings)
    outside = label[(label < 0) | (label > 255)]
    if outside.size:
        raise DataError(f"{shown(str(path))} holds the label value {outside[0]}: expected values in 0..255")
    return label.astype(np.uint8)


def _read_crop(path: Path, case: Case, geometry: Geometry, cfg: ScanConfig, warnings: list[str]) -> NDArray[np.bool_]:
    mask, own = read_mask(path, assumed_spacing=cfg.assumed_spacing)
    return _on_grid(mask, path, own, case, geometry, cfg, warnings) != 0


def read_reference(path: Path, geometry: Geometry, cfg: ScanConfig) -> NDArray[np.int32]:
    """The values of a mask (*S) on the grid of its image, which was checked before: turned as it was there.

    Raises:
        DataError: it can no longer be read.
    """
    mask, own = read_mask(path, assumed_spacing=cfg.assumed_spacing)
    if cfg.ignore_label_header or not (own.stated and geometry.stated):
        return mask
    turned = turned_onto(mask, one_geometry(path, own, cfg, []), geometry)
    return mask if turned is None else turned


def _on_grid(
    mask: NDArray[np.int32],
    path: Path,
    own: Geometry,
    case: Case,
    geometry: Geometry,
    cfg: ScanConfig,
    warnings: list[str],
) -> NDArray[np.int32]:
    """A mask (*S) on the grid of its image; one that has the same voxels along other axes is turned.

    Headers may differ by rounding: below half a voxel, the voxels are the same and only the headers differ.

    Raises:
        DataError: it has another shape, or its header places it elsewhere.
    """
    own = one_geometry(path, own, cfg, warnings)
    if path != case.images[0] and own.stated and geometry.stated and not cfg.ignore_label_header:
        turned = turned_onto(mask, own, geometry)
        if turned is not None:
            warnings.append(
                f"{shown(str(path))} has axes {own.codes} where its image has {geometry.codes}, and lies in the same "
                "place: turned"
            )
            return turned
    _check_grid(path, own, case, geometry, cfg, warnings)
    return mask


def _check_grid(
    path: Path, own: Geometry, case: Case, geometry: Geometry, cfg: ScanConfig, warnings: list[str]
) -> None:
    where = f"{shown(str(path))} and its image {shown(str(case.images[0]))}"
    if own.shape != geometry.shape:
        shapes = " and ".join(" x ".join(map(str, shape)) for shape in (own.shape, geometry.shape))
        raise DataError(f"{where} differ in shape: {shapes}")
    if path == case.images[0] or not geometry.stated:
        return
    if not own.stated:
        warnings.append(f"{shown(str(path))} states no geometry: taken voxel by voxel")
        return
    apart = own.distance(geometry)
    if apart <= TOLERANCE:
        return
    if apart < min(geometry.spacing) / 2 or cfg.ignore_label_header:
        warnings.append(f"{where} differ only in the header, by up to {apart:.3g} mm: taken voxel by voxel")
        return
    raise DataError(
        f"{where} lie up to {apart:.3g} mm apart by their headers, axes {own.codes or '-'} and "
        f"{geometry.codes or '-'}: repair one, or set scan.ignore_label_header if voxels correspond"
    )
