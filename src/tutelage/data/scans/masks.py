"""Predictions as files, on the grid of the scan they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError, MissingExtra
from tutelage.core.files import write_atomically, write_json
from tutelage.core.names import shown
from tutelage.data.scans.formats import metaimage, nifti, nrrd, slices
from tutelage.data.scans.formats.common import COLORS, SLICE_SUFFIXES, suffix_of
from tutelage.data.scans.geometry import Geometry

PROBABILITIES = ".probs"  # behind the name of a case


def mask_suffix(like: Path) -> str:
    """The suffix of a mask for a scan: that of the scan if its format can hold a mask with its grid, else `.nii.gz`."""
    suffix = suffix_of(like)
    if suffix in SLICE_SUFFIXES:
        return ".png"
    return ".mha" if suffix == ".mhd" else suffix if suffix in (".nrrd", ".mha") else ".nii.gz"


def write_mask(
    folder: Path,
    name: str,
    mask: NDArray[np.uint8],
    geometry: Geometry,
    *,
    like: Path,
    classes: Sequence[str] = (),
    values: Sequence[int] = (),
) -> Path:
    """Write a mask into `folder`, named after its case with the suffix of `mask_suffix(like)`, and return its path.

    A NIfTI mask copies the header of `like`, so its affine is identical. NRRD and MetaImage have the same world
    coordinates. `.nrrd` also names the segments for Slicer.

    Args:
        name: of the case; folders become part of the file name: `train/a` becomes `train_a`.
        mask: (*S) uint8, the values to write, in the shape of the scan.
        geometry: of the scan `like`, as `read_volume` gave it.
        classes, values: class names and the value of each.

    Raises:
        DataError: the mask has another shape than the scan.
        RunError: it cannot be written.
    """
    if mask.shape != geometry.shape:
        raise DataError(f"the mask of {shown(str(like))} has the shape {mask.shape}, its scan {geometry.shape}")
    path = folder / f"{flat_name(name)}{mask_suffix(like)}"
    mask = np.ascontiguousarray(mask, np.uint8)
    try:
        if path.name.endswith(".nrrd"):
            nrrd.write(path, mask, geometry, classes, values)
        elif path.name.endswith(".mha"):
            metaimage.write(path, mask, geometry)
        elif path.name.endswith(".png"):
            slices.write(path, mask)
        else:
            nifti.write(path, mask, geometry, like, label=True)
    except ModuleNotFoundError as error:
        raise MissingExtra(f"writing {path.name}", str(error.name), "medical") from None
    return path


def write_probabilities(folder: Path, name: str, probs: NDArray[np.float32], geometry: Geometry, *, like: Path) -> Path:
    """Write class probabilities (K, *S) as `folder/name.probs.nii.gz`, float32 with the classes along the last axis.

    Always NIfTI, the only format whose fourth axis is read everywhere. For 2-D images the third axis has length 1.

    Raises:
        DataError, RunError, MissingExtra: as `write_mask`.
    """
    if probs.shape[1:] != geometry.shape:
        raise DataError(
            f"the probabilities of {shown(str(like))} have the shape {probs.shape[1:]}, its scan {geometry.shape}"
        )
    path = folder / f"{flat_name(name)}{PROBABILITIES}.nii.gz"
    try:
        nifti.write(path, np.moveaxis(probs.astype(np.float32), 0, -1), geometry, like, label=False)
    except ModuleNotFoundError as error:
        raise MissingExtra("writing probabilities", str(error.name), "medical") from None
    return path


def write_label_names(folder: Path, classes: Sequence[str], values: Sequence[int]) -> None:
    """Write the class of each value: `labels.json`, and `labels.txt` for ITK-SNAP.

    NIfTI, MetaImage and PNG have no place for names.

    Raises:
        RunError: they cannot be written.
    """
    write_json(folder / "labels.json", {str(value): name for name, value in zip(classes, values, strict=True)})
    lines = ["# value red green blue opacity visible mesh name"]
    for name, value in zip(classes, values, strict=True):
        red, green, blue = COLORS[(value - 1) % len(COLORS)] if value else (0, 0, 0)
        seen = int(value != 0)
        lines.append(f'{value} {red} {green} {blue} {seen} {seen} {seen} "{shown(name)}"')
    write_atomically(folder / "labels.txt", ("\n".join(lines) + "\n").encode())


def flat_name(name: str) -> str:
    """The name of a case as the name of a file, without suffix."""
    return name.replace("/", "_")
