"""Standardizing intensities, so that scans can be compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError


def standardize(image: NDArray[np.float32], cfg: ScanConfig) -> NDArray[np.float32]:
    """(C, *S) standardized as `scan.intensity` says, each channel separately.

    `zscore` uses mean and population standard deviation of all voxels, `zscore-nonzero` those of the nonzero voxels;
    the others stay 0 (as MONAI's NormalizeIntensity); `percentile` clips before; `ct` maps the window to [-1, 1].

    Raises:
        DataError: clipping leaves a single intensity. The message completes a sentence that starts with the file name.
    """
    if cfg.intensity == "none":
        return image
    if cfg.intensity == "ct":
        low, high = cfg.window
        return ((image.clip(low, high) - low) * (2.0 / (high - low)) - 1.0).astype(np.float32)
    return np.stack([_zscore(channel, cfg) for channel in image])


def _zscore(channel: NDArray[np.float32], cfg: ScanConfig) -> NDArray[np.float32]:
    if cfg.intensity == "percentile":
        low, high = np.percentile(channel, cfg.percentiles)
        if low == high:
            raise DataError(f"has a single intensity between the percentiles {cfg.percentiles}: widen scan.percentiles")
        channel = channel.clip(low, high)
    counted = channel[channel != 0] if cfg.intensity == "zscore-nonzero" else channel
    mean, deviation = counted.mean(dtype=np.float64), counted.std(dtype=np.float64)
    scaled = ((channel - mean) / (deviation or 1.0)).astype(np.float32)
    return np.where(channel != 0, scaled, np.float32(0)) if cfg.intensity == "zscore-nonzero" else scaled
