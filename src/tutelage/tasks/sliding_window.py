"""Probabilities of a whole volume from overlapping windows, with MONAI."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from tutelage.core.errors import MissingExtra


def predict_windows(
    predict: Callable[[Tensor], Tensor],
    volume: Tensor,
    window: Sequence[int],
    *,
    strides: Sequence[int],
    weight: Literal["constant", "gaussian"] = "constant",
    batch: int = 4,
    device: torch.device | None = None,
    result_device: torch.device | None = None,
) -> Tensor:
    """(B, K, *S) float32: `predict` averaged over windows placed every `strides` voxels, the last one at the end.

    A volume smaller than the window is padded with zeros on both sides, and the result is cropped. Memory is needed for
    the result and for one batch of windows.

    Args:
        predict: maps windows (b, C, *window) to probabilities (b, K, *window). It must include the softmax, since
            averaging logits gives another result.
        volume: (B, C, *S) float32.
        window: size of the windows in voxels.
        strides: in voxels, each in 1..window.
        weight: weight all voxels of a window equally, or by a Gaussian with sigma = window / 8, as in nnU-Net
            (arXiv:1904.08128).
        batch: number of windows per call of `predict`.
        device: where `predict` runs; None is the volume's device.
        result_device: where the result is accumulated; None is the volume's device.

    Raises:
        MissingExtra: MONAI is not installed.
    """
    try:
        from monai.inferers.utils import sliding_window_inference
    except ModuleNotFoundError as error:
        raise MissingExtra("segmentation of whole volumes", "monai", "medical") from error
    result = sliding_window_inference(
        volume,
        tuple(window),
        batch,
        predict,
        overlap=[_overlap(size, stride) for size, stride in zip(window, strides, strict=True)],
        mode=weight,
        sw_device=device,
        device=result_device,
    )
    assert isinstance(result, Tensor)
    return result


def count_windows(shape: Sequence[int], window: Sequence[int], strides: Sequence[int]) -> int:
    """Number of windows that `predict_windows` uses for one volume (*shape)."""
    axes = zip(shape, window, strides, strict=True)
    return math.prod(math.ceil(max(length - size, 0) / stride) + 1 for length, size, stride in axes)


def _overlap(size: int, stride: int) -> float:
    """The overlap that MONAI converts back to exactly `stride`; it truncates size * (1 - overlap), e.g. 15.99 to 15."""
    return max(0.0, 1.0 - stride / size - 1e-9)
