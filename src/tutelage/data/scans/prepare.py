"""From the grid and the intensities of a file to those of training, and back to its grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError
from tutelage.data.scans.geometry import Geometry, nearest_axes
from tutelage.data.scans.reading import RawCase

INTERPOLATION = {1: "linear", 2: "bilinear", 3: "trilinear"}
_BLOCK = 2**22  # values that are standardized at a time


@dataclass(frozen=True)
class Placement:
    """How a prepared volume relates to the grid of its file: reoriented, then cropped, then resampled.

    Attributes:
        geometry: of the file.
        order: prepared axis i is axis order[i] of the file.
        flipped: whether prepared axis i is reversed.
        box: start and end of the crop (end exclusive) along each reoriented axis.
        shape: of the prepared volume.
    """

    geometry: Geometry
    order: tuple[int, ...]
    flipped: tuple[bool, ...]
    box: tuple[tuple[int, int], ...]
    shape: tuple[int, ...]

    @property
    def spacing(self) -> tuple[float, ...]:
        """Spacing of the prepared volume in mm, along its own axes."""
        steps = (self.geometry.spacing[axis] for axis in self.order)
        return tuple(
            step * (end - start) / n for step, (start, end), n in zip(steps, self.box, self.shape, strict=True)
        )

    def turn(self, array: NDArray) -> NDArray:
        """(..., *S) of the file, reoriented to the prepared axes; a view."""
        lead = array.ndim - len(self.order)
        turned = array.transpose(*range(lead), *(lead + axis for axis in self.order))
        return turned[on_last_axes(slice(None, None, -1 if flip else 1) for flip in self.flipped)]

    def turn_back(self, array: NDArray) -> NDArray:
        """The inverse of `turn`."""
        lead = array.ndim - len(self.order)
        array = array[on_last_axes(slice(None, None, -1 if flip else 1) for flip in self.flipped)]
        back = np.argsort(self.order)
        return array.transpose(*range(lead), *(lead + int(axis) for axis in back))

    def crop(self, array: NDArray) -> NDArray:
        """(..., *T) reoriented, cropped to the box; a view."""
        return array[on_last_axes(slice(start, end) for start, end in self.box)]

    def restore_mask(self, mask: NDArray, *, outside: int = 0) -> NDArray:
        """Labels (*shape) on the grid of the file; voxels outside the crop get `outside`.

        If the grid was resampled, each voxel takes the label with the most linear weight; restoring probabilities first
        is more accurate.
        """
        if mask.shape != self.shape:
            raise DataError(f"a mask of shape {mask.shape} is none of the prepared volume of shape {self.shape}")
        inside = resample_mask(mask, tuple(end - start for start, end in self.box))
        full = np.full(self._turned_shape(), outside, mask.dtype)
        self.crop(full)[...] = inside
        return np.ascontiguousarray(self.turn_back(full))

    def outside(self) -> NDArray[np.uint8]:
        """(*T) reoriented: class 0 everywhere."""
        return np.zeros(self._turned_shape(), np.uint8)

    def restore_probabilities(self, probs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities (K, *shape) on the grid of the file; outside the crop, class 0 has probability 1."""
        if probs.shape[1:] != self.shape:
            raise DataError(f"probabilities of shape {probs.shape} are none of a prepared volume of {self.shape}")
        full = np.zeros((len(probs), *self._turned_shape()), np.float32)
        full[0] = 1.0
        self.crop(full)[...] = resample(probs, tuple(end - start for start, end in self.box))
        return np.ascontiguousarray(self.turn_back(full))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; `from_dict` reads them back."""
        return {
            "file_shape": self.geometry.shape,
            "affine": self.geometry.affine.tolist(),
            "stated": self.geometry.stated,
            "order": self.order,
            "flipped": self.flipped,
            "box": self.box,
            "shape": self.shape,
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Placement:
        """The placement from plain values."""
        return Placement(
            Geometry(tuple(values["file_shape"]), np.array(values["affine"], np.float64), values["stated"]),
            tuple(values["order"]),
            tuple(values["flipped"]),
            tuple((start, end) for start, end in values["box"]),
            tuple(values["shape"]),
        )

    def _turned_shape(self) -> tuple[int, ...]:
        return tuple(self.geometry.shape[axis] for axis in self.order)


def on_last_axes(slices: Iterable[slice]) -> tuple[Any, ...]:
    """An index with these slices for the last axes and everything of the axes before."""
    return (..., *slices)


def place(raw: RawCase, cfg: ScanConfig) -> Placement:
    """The placement of the prepared volume of a case.

    Raises:
        DataError: there is nothing to crop to.
    """
    geometry = raw.geometry
    order, flipped = tuple(range(geometry.axes)), (False,) * geometry.axes
    if cfg.canonical and geometry.axes == 3:  # the directions of 2-D images are unknown
        nearest = nearest_axes(geometry.affine)
        order = tuple(int(axis) for axis in np.argsort([world for world, _ in nearest]))
        flipped = tuple(nearest[axis][1] < 0 for axis in order)
    turned = tuple(geometry.shape[axis] for axis in order)
    whole = Placement(geometry, order, flipped, tuple((0, n) for n in turned), turned)
    box = _box(raw, whole, cfg)
    steps = [geometry.spacing[axis] for axis in order]
    target = cfg.spacing * len(order) if len(cfg.spacing) == 1 else cfg.spacing or steps
    if len(target) != len(order):
        raise DataError(f"scan.spacing has {len(target)} numbers, and the scans have {len(order)} axes")
    shape = tuple(
        max(1, round((end - start) * step / goal)) for (start, end), step, goal in zip(box, steps, target, strict=True)
    )
    return Placement(geometry, order, flipped, box, shape)


def prepare(
    raw: RawCase, placement: Placement, cfg: ScanConfig, *, overwrite: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
    """Standardized intensities (C, *shape) float32 and label values (*shape) uint8.

    Intensities are standardized over the whole volume of the file, before it is cropped.

    Args:
        overwrite: the intensities of `raw` are not needed any more, so that a large scan takes memory once.
    """
    part = placement.crop(placement.turn(raw.image))
    image = _standardized(raw.image, part, cfg, part if overwrite else np.empty(part.shape, np.float32))
    image = np.ascontiguousarray(resample(image, placement.shape))
    if raw.label is None:
        return image, None
    label = placement.crop(placement.turn(raw.label))
    return image, np.ascontiguousarray(resample_mask(label, placement.shape))


def _box(raw: RawCase, whole: Placement, cfg: ScanConfig) -> tuple[tuple[int, int], ...]:
    if cfg.crop == "none":
        return whole.box
    body: NDArray[np.bool_] = np.any(raw.image > cfg.body_threshold, axis=0) if raw.crop is None else raw.crop
    inside = whole.turn(body)
    if not inside.any():
        what = "its mask is empty" if cfg.crop == "mask" else f"no intensity is above {cfg.body_threshold:g}"
        raise DataError(f"cannot be cropped: {what}")
    box = []
    for axis, n in enumerate(inside.shape):
        places = np.flatnonzero(inside.any(tuple(other for other in range(inside.ndim) if other != axis)))
        box.append((max(0, int(places[0]) - cfg.crop_margin), min(n, int(places[-1]) + 1 + cfg.crop_margin)))
    return tuple(box)


def standardize(image: NDArray[np.float32], cfg: ScanConfig) -> NDArray[np.float32]:
    """(C, *S) standardized as `scan.intensity` says, each channel separately.

    `zscore` uses mean and population standard deviation of all voxels, `zscore-nonzero` those of the nonzero voxels;
    the others stay 0 (as MONAI's NormalizeIntensity); `percentile` clips before; `ct` maps the window to [-1, 1].

    Raises:
        DataError: clipping leaves a single intensity. The message completes a sentence that starts with the file name.
    """
    return _standardized(image, image, cfg, np.empty(image.shape, np.float32))


def _standardized(
    image: NDArray[np.float32], part: NDArray[np.float32], cfg: ScanConfig, out: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A part of a volume, such as a crop, by the statistics of the whole, in `out`, which may be `part` itself."""
    if cfg.intensity == "none":
        return part
    for channel, source, target in zip(image, part, out, strict=True):
        scale = _scale(channel, cfg)
        for start, end in _blocks(source):
            target[start:end] = scale(source[start:end])
    return out


def _scale(channel: NDArray[np.float32], cfg: ScanConfig) -> Callable[[NDArray[np.float32]], NDArray]:
    """What standardizes the intensities of a channel."""
    if cfg.intensity == "ct":
        low, high = cfg.window
        return lambda values: (values.clip(low, high) - low) * (2.0 / (high - low)) - 1.0
    if cfg.intensity == "percentile":
        low, high = np.percentile(channel, cfg.percentiles)
        if low == high:
            raise DataError(f"has a single intensity between the percentiles {cfg.percentiles}: widen scan.percentiles")
        mean, deviation = _moments(channel, lambda values: values.clip(low, high))
        return lambda values: (values.clip(low, high) - mean) / deviation
    if cfg.intensity == "zscore-nonzero":
        mean, deviation = _moments(channel, lambda values: values[values != 0])
        return lambda values: np.where(values != 0, (values - mean) / deviation, 0.0)
    mean, deviation = _moments(channel, lambda values: values)
    return lambda values: (values - mean) / deviation


def _moments(
    channel: NDArray[np.float32], counted: Callable[[NDArray[np.float32]], NDArray]
) -> tuple[np.float64, np.float64]:
    """The mean, and the population standard deviation or 1 where it is 0, of the values that count, in float64."""

    def total(function: Callable[[NDArray], NDArray]) -> np.float64:
        blocks = (counted(channel[start:end]) for start, end in _blocks(channel))
        return np.float64(sum(function(block.astype(np.float64)).sum() for block in blocks))

    count = max(total(np.ones_like), np.float64(1.0))
    mean = total(lambda values: values) / count
    deviation = np.sqrt(total(lambda values: np.square(values - mean)) / count)
    return mean, deviation or np.float64(1.0)


def _blocks(array: NDArray) -> Iterator[tuple[int, int]]:
    """Start and end, along the first axis, of blocks of a few million values."""
    planes = max(1, _BLOCK // max(array[0].size, 1)) if len(array) else 1
    return ((start, min(start + planes, len(array))) for start in range(0, len(array), planes))


def resample(array: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """(C, *S) float32 to (C, *shape), linearly; the outer edges of the grids coincide, without smoothing first."""
    if array.shape[1:] == shape:
        return array
    import torch.nn.functional as F  # imported here, since a check without resampling does not need torch
    from torch import from_numpy

    values = from_numpy(np.ascontiguousarray(array, np.float32))[None]
    return F.interpolate(values, shape, mode=INTERPOLATION[len(shape)], align_corners=False)[0].numpy()


def resample_mask(mask: NDArray, shape: tuple[int, ...]) -> NDArray:
    """(*S) labels to (*shape): each voxel takes the label with the most linear weight, the smaller one on a tie.

    Nearest-neighbor resampling would shift the mask by half a voxel against its image when the grid is halved.
    """
    if mask.shape == shape:
        return mask
    found = np.zeros(shape, mask.dtype)
    most = np.zeros(shape, np.float32)
    for value in np.unique(mask):
        share = resample((mask == value).astype(np.float32)[None], shape)[0]
        better = share > most + 1e-6  # so that rounding does not decide ties
        found[better], most[better] = value, share[better]
    return found
