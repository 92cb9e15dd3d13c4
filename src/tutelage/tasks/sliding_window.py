"""Probabilities of a whole volume from overlapping windows, placed and weighted as MONAI does it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

_SIGMA, _LEAST = 0.125, 1e-3  # of the window's length; the smallest weight
Predict = Callable[[Tensor], Tensor]
Weight = Literal["constant", "gaussian"]


def predict_windows(
    predict: Predict,
    volume: Tensor,
    window: Sequence[int],
    *,
    strides: Sequence[int],
    weight: Weight = "constant",
    batch: int = 4,
    device: torch.device | None = None,
    result_device: torch.device | None = None,
) -> Tensor:
    """(B, K, *S) float32: `predict` averaged over windows placed every `strides` voxels, the last one at the end.

    A volume smaller than the window is padded with zeros on both sides, and the result is cropped. Memory is needed for
    the result, for a slab of it, and for one batch of windows.

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
    """
    result: Tensor | None = None
    slabs = predict_slabs(
        predict, volume, window, strides=strides, weight=weight, batch=batch, device=device, result_device=result_device
    )
    for start, probs in slabs:
        if result is None:
            result = probs.new_empty((*probs.shape[:2], *volume.shape[2:]))
        result[:, :, start : start + probs.shape[2]] = probs
    assert result is not None
    return result


def predict_slabs(
    predict: Predict,
    volume: Tensor,
    window: Sequence[int],
    *,
    strides: Sequence[int],
    axis: int = 0,
    weight: Weight = "constant",
    batch: int = 4,
    device: torch.device | None = None,
    result_device: torch.device | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """The result of `predict_windows` in slabs (B, K, *S') along an axis, in order, each with its start.

    A slab is as thick as the stride, and is overwritten when the next one is asked for. Memory is needed for what a row
    of windows covers, and for one batch of windows.

    Args:
        axis: of *S.
    """
    at = 2 + axis
    before = [max(size - length, 0) // 2 for length, size in zip(volume.shape[2:], window, strict=True)]
    after = [max(size - length - low, 0) for length, size, low in zip(volume.shape[2:], window, before, strict=True)]
    if any(before) or any(after):
        volume = F.pad(volume, [pad for ends in zip(before[::-1], after[::-1], strict=True) for pad in ends])
    starts = [_starts(*sizes) for sizes in zip(volume.shape[2:], window, strides, strict=True)]
    rows = starts.pop(axis)
    cover = list(volume.shape[2:])
    cover[axis] = window[axis]
    target = result_device or volume.device
    importance = _importance(window, weight, target)
    total, weights = torch.zeros(0, device=target), torch.zeros(cover, device=target)
    for row, start in enumerate(rows):
        places = [(image, *place) for image in range(len(volume)) for place in product(*starts)]
        for first in range(0, len(places), batch):
            where = [(image, [*place[:axis], start, *place[axis:]]) for image, *place in places[first : first + batch]]
            windows = torch.stack([volume[image][(slice(None), *_box(place, window))] for image, place in where])
            found = predict(windows.to(device or volume.device)).to(target)
            if not total.numel():
                total = torch.zeros((len(volume), found.shape[1], *cover), dtype=found.dtype, device=target)
            for (image, place), probs in zip(where, found, strict=True):
                place[axis] = 0
                total[image][(slice(None), *_box(place, window))] += probs * importance
                if not image:
                    weights[_box(place, window)] += importance
        last = row + 1 == len(rows)
        done = window[axis] if last else rows[row + 1] - start
        slab = total.narrow(at, 0, done).div_(weights.narrow(axis, 0, done))
        inside = [
            slice(low, length - high) for length, low, high in zip(slab.shape[2:], before, after, strict=True)
        ]  # along the axis of the slabs, padding means that there is one
        yield start, slab[(slice(None), slice(None), *inside)]
        _move(total, done, at)
        _move(weights, done, axis)


def count_windows(shape: Sequence[int], window: Sequence[int], strides: Sequence[int]) -> int:
    """Number of windows that `predict_windows` uses for one volume (*shape)."""
    axes = zip(shape, window, strides, strict=True)
    return math.prod(math.ceil(max(length - size, 0) / stride) + 1 for length, size, stride in axes)


def _starts(length: int, size: int, stride: int) -> list[int]:
    return [min(k * stride, length - size) for k in range(math.ceil((length - size) / stride) + 1)]


def _box(place: Sequence[int], window: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(start, start + size) for start, size in zip(place, window, strict=True))


def _move(array: Tensor, by: int, axis: int) -> None:
    """Move what lies beyond the first `by` places of an axis to its start, in place, with zeros behind it."""
    rest = array.shape[axis] - by
    for start in range(0, rest, by):  # parts that do not overlap their new place
        size = min(by, rest - start)
        array.narrow(axis, start, size).copy_(array.narrow(axis, start + by, size))
    array.narrow(axis, rest, by).zero_()


def _importance(window: Sequence[int], weight: Weight, device: torch.device) -> Tensor:
    """(*window) float32: the weight of each voxel of a window, as `compute_importance_map` of MONAI has it."""
    found = torch.ones(1)
    for length in window:
        place = torch.arange(length, dtype=torch.float32) - (length - 1) / 2.0
        line = torch.exp(-place.square() / (2.0 * (_SIGMA * length) ** 2))
        found = found[..., None] * (line if weight == "gaussian" else torch.ones(length))
    found = found[0]
    return found.clamp_min(max(float(found.min()), _LEAST)).to(device)
