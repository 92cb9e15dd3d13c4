"""Whole scans from a MONAI bundle, and how far they are from those of the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError
from tutelage.data.scans.given import list_given
from tutelage.inference.export.bundle import INFERENCE, RESULT
from tutelage.inference.export.formats.base import quietly
from tutelage.inference.scans.model import ScanModel

_MOST = 3  # scans
_NIFTI = (".nii", ".nii.gz")


def bundle_segments(folder: Path) -> Callable[[Path], NDArray[np.float32]]:
    """From a file to the class probabilities (K, *S) on its grid, by the bundle in a folder, run by MONAI."""
    from monai.bundle import ConfigParser
    from monai.transforms import Invertd

    parser = ConfigParser(ConfigParser.load_config_file(str(folder / INFERENCE)))
    parser["bundle_root"], parser["device"] = str(folder), "$torch.device('cpu')"
    with quietly():
        prepare, inferer, network = (parser.get_parsed_content(n) for n in ("preprocessing", "inferer", "network"))
    back = Invertd(keys=RESULT, transform=prepare, orig_keys="image", nearest_interp=False)

    def run(file: Path) -> NDArray[np.float32]:
        with quietly():
            scan = prepare({"image": str(file)})
            found = back({**scan, RESULT: inferer(scan["image"][None], network)[0]})
        return np.asarray(found[RESULT], np.float32)

    return run


def largest_on_scans(folder: Path, model: ScanModel, scans: str | Path) -> float:
    """The largest difference of a probability on the grids of a few scans, of those that are NIfTI files.

    Raises:
        DataError: there are none.
    """
    axes = len(model.task.patch_size)
    given = list_given(str(scans), channels=model.channels, axes=axes, spacing=None, affine=None)
    chosen = [one for one in given if one.case.images[0].name.lower().endswith(_NIFTI)][:_MOST]
    if not chosen:
        raise DataError(f"{scans} has no NIfTI files, which a MONAI bundle reads: name others to compare on")
    task = model.task
    plain = dataclasses.replace(
        model, task=type(task)(task.classes, patch_size=task.patch_size, cfg=dataclasses.replace(task.cfg, flips=False))
    )
    segments, most = bundle_segments(folder), 0.0
    for one in chosen:
        expected, found = plain.segment(one.read(model.scan)), segments(one.case.images[0])
        if found.shape != expected.shape or not np.isfinite(found).all():
            return float("inf")
        most = max(most, float(np.abs(found - expected).max()))
    return most
