"""The normalization that a source declares: that of nnU-Net for CT, whose intensities have a meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError
from tutelage.data.scans.items import Case, ScanListing
from tutelage.data.scans.reading import read_case

PERCENTILES = (0.5, 99.5)  # of the foreground, as in nnU-Net
_MOST_CASES, _MOST_VOXELS = 16, 10_000  # labeled scans, and voxels of each, that the percentiles are taken of


def declared_intensity(channels: Any) -> Literal["", "ct", "none"]:
    """What the `channel_names` of nnU-Net ask for, if all channels ask for the same; other names mean a z-score."""
    names = list(channels.values()) if isinstance(channels, Mapping) else list(channels or [])
    kinds = {str(name).lower() for name in names}
    return "ct" if kinds == {"ct"} else "none" if kinds == {"nonorm"} else ""


def normalized_as_declared(scan: ScanConfig, train: ScanListing) -> ScanConfig:
    """The settings with a normalization, if they leave it open.

    For CT, nnU-Net clips intensities to percentiles 0.5 and 99.5 of the foreground and standardizes them alike in all
    scans (arXiv:1904.08128). Here the same window is mapped to [-1, 1], which differs by a linear map. At most 16
    labeled scans are read for it.
    """
    if scan.intensity != "auto":
        return scan
    if train.intensity == "ct" and scan.window == ScanConfig().window and (window := _window(train.cases, scan)):
        return replace(scan, intensity="ct", window=window)
    return replace(scan, intensity=train.intensity or "zscore")


def _window(cases: list[Case], scan: ScanConfig) -> tuple[float, float] | None:
    labeled = [case for case in cases if case.label is not None]
    some = [labeled[place] for place in np.linspace(0, len(labeled) - 1, min(len(labeled), _MOST_CASES)).astype(int)]
    found = [values for case in some if (values := _foreground(case, scan)).size]
    if not found:
        return None
    low, high = np.percentile(np.concatenate(found), PERCENTILES)
    return (round(float(low), 3), round(float(high), 3)) if low < high else None


def _foreground(case: Case, scan: ScanConfig) -> NDArray[np.float32]:
    """Some intensities of the labeled voxels of a case; none if it cannot be read, which the check says."""
    try:
        raw = read_case(case, scan)
    except (DataError, MemoryError):
        return np.zeros(0, np.float32)
    assert raw.label is not None
    values = raw.image[0][(raw.label != 0) & (raw.label != scan.ignore_label)]
    return values[:: max(1, len(values) // _MOST_VOXELS)]
