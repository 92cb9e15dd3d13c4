"""The spacing that scans are resampled to, where a machine has no time for all their voxels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from tutelage.config import RunConfig
from tutelage.core.errors import DataError
from tutelage.data.scans.formats.files import stored_bytes
from tutelage.data.scans.items import Case, ScanListing
from tutelage.data.scans.patch_choice import choose_spacing
from tutelage.data.scans.prepare import Placement, place
from tutelage.data.scans.reading import RawCase, read_case
from tutelage.run.data_modules.scan_costs import patch_voxels

_SHARE = 0.25  # of a scan that a patch covers at least; with less, nnU-Net trains at a coarser spacing
_SMALLEST = 64  # voxels that the smallest class keeps in the labels that were looked at
_LOOKED_AT = 3  # labeled scans


@dataclass(frozen=True)
class Resolution:
    """A spacing, and why it was chosen."""

    spacing: tuple[float, ...]
    shape: tuple[int, ...]

    def said(self) -> str:
        """One sentence."""
        times, steps = " x ".join(map(str, self.shape)), " x ".join(f"{step:.3g}" for step in self.spacing)
        return (
            f"scans of {times} voxels are many for this budget without a GPU: they are resampled to {steps} mm "
            "(scan.spacing; with a scan.patch_size they keep their own); scores and masks have the grid of the files"
        )


def choose_resolution(cfg: RunConfig, listings: Mapping[str, ScanListing], device: torch.device) -> Resolution | None:
    """A coarser spacing where a patch would cover less than a quarter of a scan; None keeps that of the files.

    Up to three labeled scans of middle size are read. Nothing is chosen on a GPU, and where a patch size or a spacing
    is given.
    """
    if cfg.scan.patch_size or cfg.scan.spacing or device.type != "cpu" or "train" not in listings:
        return None
    labeled = [case for case in listings["train"].cases if case.label is not None]
    found = []
    for case in _of_middle_size(labeled):
        try:
            raw = read_case(case, cfg.scan)
            found.append((raw, place(raw, cfg.scan)))
        except (DataError, MemoryError):  # named by the check
            continue
    if not found or len(found[0][1].shape) != 3:  # slices are few voxels
        return None
    middle = sorted(found, key=lambda pair: np.prod(pair[1].shape))[len(found) // 2][1]
    coarsest = min(_coarsest(raw, placement, cfg.scan.ignore_label) for raw, placement in found)
    voxels = int(patch_voxels(cfg.train, device) / _SHARE)
    spacing = choose_spacing(middle.shape, middle.spacing, voxels, coarsest)
    return Resolution(spacing, middle.shape) if spacing else None


def with_resolution(cfg: RunConfig, resolution: Resolution | None) -> RunConfig:
    """The settings with that spacing."""
    if resolution is None:
        return cfg
    return dataclasses.replace(cfg, scan=dataclasses.replace(cfg.scan, spacing=resolution.spacing))


def _of_middle_size(cases: list[Case]) -> list[Case]:
    middle = sorted(cases, key=lambda case: sum(map(stored_bytes, case.images)))
    start = max(0, (len(middle) - _LOOKED_AT) // 2)
    return middle[start : start + _LOOKED_AT]


def _coarsest(raw: RawCase, placement: Placement, ignored: int | None) -> float:
    """The side in mm of voxels of which the smallest class of a label would have 64."""
    assert raw.label is not None
    counts = np.bincount(raw.label.ravel(), minlength=256)
    counts[0] = 0
    if ignored is not None:
        counts[ignored] = 0
    if not counts.any():
        return float("inf")
    axes = len(placement.shape)
    volume = float(counts[counts > 0].min()) * float(np.prod(placement.geometry.spacing[:axes]))
    return float((volume / _SMALLEST) ** (1.0 / axes))
