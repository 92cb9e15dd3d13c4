"""What an exported model is compared on: inputs from real data, prepared as for a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError
from tutelage.data.images.given import list_given as list_images
from tutelage.data.images.items import Unreadable
from tutelage.data.images.survey import read_pixels
from tutelage.data.scans.given import list_given as list_scans
from tutelage.inference.export.portable import Portable
from tutelage.inference.images.model import Model
from tutelage.inference.scans.model import ScanModel

MOST = 100
_MOST_SCANS = 10
_IN_BATCH = {"images": 25, "window": 2}  # inputs at a time; one batch is of another size, since any size is promised
T = TypeVar("T")


def real_inputs(model: Model | ScanModel, source: str | Path, most: int = MOST) -> NDArray[Any]:
    """Up to `most` inputs from a source that a run accepts: images (n, S, S, C) uint8, or windows (n, C, *S) float32.

    Raises:
        DataError: the source does not exist, or has nothing that can be read.
    """
    found = _windows(model, source, most) if isinstance(model, ScanModel) else _images(model, source, most)
    if not found:
        raise DataError(f"{source} has nothing that can be read")
    return np.ascontiguousarray(np.stack(found))


def random_inputs(made: Portable, count: int) -> NDArray[Any]:
    """Noise (count, ...) in place of inputs."""
    draw, shape = np.random.default_rng(0), (count, *made.shape)
    if made.source == "images":
        return draw.integers(0, 256, shape, np.uint8)
    return draw.standard_normal(shape).astype(np.float32)


def batches(made: Portable, inputs: NDArray[Any]) -> list[NDArray[Any]]:
    """The inputs in batches of several sizes, and, where the sides are free, one larger input."""
    size = _IN_BATCH[made.source]
    parts = [inputs[:1], *(inputs[start : start + size] for start in range(1, len(inputs), size))]
    sides = {axis: free.multiple for axis, free in made.free.items() if axis}
    if sides:
        padding = [(0, 0)] * inputs.ndim
        for axis, multiple in sides.items():
            padding[axis] = (0, multiple)
        parts.append(np.pad(inputs[:1], padding))
    return parts


def _images(model: Model, source: str | Path, most: int) -> list[NDArray[np.uint8]]:
    deep = model.framing.levels is not None
    items = _spaced(list_images(str(source), lambda line: None, channels=model.channels, deep=deep), most)
    pixels = read_pixels(items, size=model.image_size, channels=model.channels, framing=model.framing)
    return [one.transpose(1, 2, 0) for one in pixels if not isinstance(one, Unreadable)]


def _windows(model: ScanModel, source: str | Path, most: int) -> list[NDArray[np.float32]]:
    """Windows of a few scans, evenly spaced in each."""
    axes = len(model.task.patch_size)
    scans = list_scans(str(source), channels=model.channels, axes=axes, spacing=None, affine=None)
    windows: list[NDArray[np.float32]] = []
    chosen = _spaced(scans, _MOST_SCANS)
    for one in chosen:
        try:
            volume = model.prepared(one)
        except DataError:
            continue
        windows += _cut(volume, model.task.patch_size, -(-most // len(chosen)))
    return windows[:most]


def _cut(volume: NDArray[np.float32], size: Sequence[int], count: int) -> list[NDArray[np.float32]]:
    """Windows (C, *size) along the diagonal of a volume (C, *S), which is padded where it is smaller."""
    short = [max(0, side - have) for side, have in zip(size, volume.shape[1:], strict=True)]
    padded = np.pad(volume, [(0, 0), *((0, missing) for missing in short)])
    room = [have - side for side, have in zip(size, padded.shape[1:], strict=True)]
    starts = [[round(share * free) for free in room] for share in np.linspace(0.0, 1.0, count)]
    starts = [list(one) for one in dict.fromkeys(map(tuple, starts))]
    return [
        padded[(slice(None), *(slice(begin, begin + side) for begin, side in zip(start, size, strict=True)))]
        for start in starts
    ]


def _spaced(items: Sequence[T], most: int) -> list[T]:
    """Up to `most` of the items, evenly spaced."""
    return [items[place] for place in np.linspace(0, len(items) - 1, min(most, len(items))).astype(int)]
