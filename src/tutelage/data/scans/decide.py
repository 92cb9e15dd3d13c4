"""The most probable class of each voxel on the grid of a file, from probabilities that come in slabs.

All probabilities of a large scan would take gigabytes; its classes take a byte for each voxel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tutelage.data.scans.prepare import INTERPOLATION, Placement

_AT_ONCE = 2**26  # numbers of probabilities that are resampled at a time


def decide_slabs(placement: Placement, slabs: Iterable[tuple[int, Tensor]], axis: int) -> NDArray[np.uint8]:
    """(*S) uint8 class indices on the grid of the file; 0 outside the crop.

    They are those of `placement.restore_probabilities`, but for rounding where two classes are equally probable.

    Args:
        slabs: probabilities (K, *S') of the prepared volume, at most 256 classes, in slabs along `axis` in order, each
            with its start.
    """
    full = placement.outside()
    inside = np.moveaxis(placement.crop(full), axis, 0)
    size = tuple(end - start for start, end in placement.box)
    at = 0
    for probs in _resampled(slabs, placement.shape, size, axis):
        classes = probs.argmax(1).to(torch.uint8).numpy()  # (n, *rest)
        inside[at : at + len(classes)] = classes
        at += len(classes)
    return np.ascontiguousarray(placement.turn_back(full))


def _resampled(
    slabs: Iterable[tuple[int, Tensor]], shape: tuple[int, ...], size: tuple[int, ...], axis: int
) -> Iterator[Tensor]:
    """(n, K, *rest) probabilities of the planes of a volume (*size), in order, from those of one (*shape).

    Linear interpolation is separable: along the axis of the slabs here, along the others by PyTorch.
    """
    length, planes = shape[axis], size[axis]
    place = np.maximum((np.arange(planes) + 0.5) * (length / planes) - 0.5, 0.0)
    low = np.minimum(place.astype(np.int64), length - 1)
    high = low if planes == length else np.minimum(low + 1, length - 1)
    share = torch.from_numpy((place - low).astype(np.float32))
    rest = tuple(n for a, n in enumerate(size) if a != axis)
    done = 0  # planes that are decided
    kept: Tensor | None = None  # the last plane of the slab before
    for start, slab in slabs:
        here = slab.float().cpu().movedim(1 + axis, 0)  # (n, K, *rest)
        end = start + len(here)
        ready = int(np.searchsorted(high, end))
        step = max(1, _AT_ONCE // (here.shape[1] * max(int(np.prod(rest)), 1)))
        for begin in range(done, ready, step):
            stop = min(begin + step, ready)
            if planes == length:
                mixed = here[begin - start : stop - start]
            else:
                weight = share[begin:stop].view(-1, *[1] * (here.ndim - 1))
                first, second = (_planes(kept, here, places[begin:stop] - start) for places in (low, high))
                mixed = torch.lerp(first, second, weight)
            yield mixed if mixed.shape[2:] == rest else F.interpolate(mixed, rest, mode=INTERPOLATION[len(rest)])
        done = ready
        if len(here):
            kept = here[-1:].clone()


def _planes(kept: Tensor | None, here: Tensor, places: NDArray[np.int64]) -> Tensor:
    """The planes of a slab at some places, where -1 is the last one of the slab before."""
    before = int((places < 0).sum())
    found = here[torch.from_numpy(places[before:])]
    return found if kept is None or not before else torch.cat([kept.expand(before, *kept.shape[1:]), found])
