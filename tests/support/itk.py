"""Scans as SimpleITK writes them, DICOM series among them."""

from __future__ import annotations

import locale
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK

Array = np.ndarray


@contextmanager
def kept_locale() -> Iterator[None]:
    """While open, ITK may set the locale of the process, as it does for DICOM files."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


def itk(array: Array) -> SimpleITK.Image:
    """An image of SimpleITK with an oblique geometry."""
    image = SimpleITK.GetImageFromArray(array.T)
    image.SetSpacing((1.0, 2.0, 1.5))
    image.SetOrigin((7.0, -5.0, 3.0))
    turn = np.deg2rad(20)
    image.SetDirection((np.cos(turn), -np.sin(turn), 0.0, np.sin(turn), np.cos(turn), 0.0, 0.0, 0.0, 1.0))
    return image


def write_series(folder: Path, array: Array, *, slope: float = 0.5, name: str = "{}.dcm") -> None:
    """A DICOM series as SimpleITK's example writes it, with numbers of files in another order than the slices."""
    folder.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.Cast(SimpleITK.Round(itk(array) / slope), SimpleITK.sitkInt16)
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = image.GetDirection()
    orientation = "\\".join(str(direction[n]) for n in (0, 3, 6, 1, 4, 7))
    shared = {
        "0008|0060": "CT",
        "0020|000e": f"1.2.826.0.1.3680043.2.1125.{zlib.crc32(str(folder).encode())}",
        "0020|0037": orientation,
    }
    for z in range(image.GetDepth()):
        one = image[:, :, z]
        place = "\\".join(map(str, image.TransformIndexToPhysicalPoint((0, 0, z))))
        for key, value in (shared | {"0020|0032": place, "0020|0013": str(z)}).items():
            one.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{(7 * z) % image.GetDepth():03}.dcm"))
        with kept_locale():
            writer.Execute(one)
    for file in sorted(folder.iterdir()):
        read = pydicom.dcmread(file)
        read.RescaleSlope, read.RescaleIntercept = str(slope), "0"
        file.unlink()
        read.save_as(folder / name.format(file.stem))
