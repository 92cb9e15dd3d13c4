"""The batch of a step from scans: patches fetched ahead by threads, augmented on the device."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tutelage.augment.view import Draws
from tutelage.augment.volume import Intensities, Turns
from tutelage.config.scan import ScanConfig
from tutelage.core.batch import Batch, Samples, batch_of
from tutelage.core.distributed import local_rows
from tutelage.core.errors import ConfigError
from tutelage.core.seeding import generator
from tutelage.data.fetch_ahead import FetchAhead
from tutelage.data.sampler import Sampler
from tutelage.data.scans.prepare import on_last_axes
from tutelage.data.scans.scan_set import ScanSet, class_table

_MOST_PLACES = 4096  # foreground voxels per class and case that patches may be centered on, evenly spaced
VIEWS = ("weak", "strong")


@dataclass(frozen=True)
class ScanStream:
    """One stream: which cases, and under which views (names in the order the method asked for)."""

    sampler: Sampler
    views: tuple[str, ...]
    labeled: bool


@dataclass
class _Fetched:
    """Patches of this rank's rows of one stream, in host memory."""

    rows: NDArray[np.int64]
    images: Tensor
    label: Tensor | None = field(default=None)


class ScanLoader:
    """`batch(step)` is a pure function of the step; threads and resuming do not change it.

    A patch is drawn uniformly from its case. For `scan.foreground_share` of the labeled patches, it is centered, as far
    as the border allows, on a voxel of a class drawn uniformly from those of the case. A volume smaller than the patch
    is padded on both sides, intensities with 0 and labels with the background, as in UA-MT.

    Args:
        scans: the prepared cases; labels are read for the labeled stream only.
        patch_size: (*S) in voxels.
        workers: threads that fetch patches ahead; 0 fetches when asked. Views are made by the caller's thread.
        prefetch: steps fetched ahead.

    Raises:
        ConfigError: there is no such view of scans.
    """

    def __init__(
        self,
        scans: ScanSet,
        *,
        labeled: ScanStream | None,
        unlabeled: ScanStream | None,
        scan: ScanConfig,
        patch_size: tuple[int, ...],
        seed: int,
        device: torch.device,
        workers: int = 1,
        prefetch: int = 2,
        channels_last: bool = False,
    ) -> None:
        self.scans, self.streams = scans, {"labeled": labeled, "unlabeled": unlabeled}
        self.scan, self.patch_size, self.seed, self.device = scan, patch_size, seed, device
        self.table = class_table(scans.values)
        spacing = np.median([look.placement.spacing for look in scans.looks], axis=0)
        self.turns = Turns(scan.orientation, patch_size, scan.flip_axes, spacing=spacing.tolist())
        self.intensities = {"weak": Intensities(scan.weak), "strong": Intensities(scan.strong)}
        formats = {4: torch.channels_last, 5: torch.channels_last_3d} if channels_last else {}
        self.memory_format = formats.get(2 + len(patch_size), torch.contiguous_format)
        for stream in self.streams.values():
            for view in () if stream is None else stream.views:
                if view not in self.intensities:
                    raise ConfigError(f"scans have the views {', '.join(VIEWS)}; the method asks for '{view}'")
        self._patches = FetchAhead(self._fetch, workers=workers, prefetch=prefetch)
        self._foreground: dict[int, list[NDArray[np.int32]]] = {}

    def batch(self, step: int) -> Batch:
        """The batch of `step`, on the device; under torchrun this rank's share of it."""
        fetched = self._patches(step)
        samples = {name: self._samples(name, step, patches) for name, patches in fetched.items()}
        return batch_of(samples.get("labeled"), samples.get("unlabeled"))

    @property
    def images_per_step(self) -> int:
        """Patches per step, over both streams and all ranks; the views of a patch count once."""
        return sum(stream.sampler.batch for stream in self.streams.values() if stream is not None)

    def rows_at(self, step: int) -> dict[str, list[int]]:
        """The rows of each stream at `step`, of all ranks."""
        return {name: s.sampler.rows_at(step).tolist() for name, s in self.streams.items() if s is not None}

    def close(self) -> None:
        """End the threads."""
        self._patches.close()

    def _fetch(self, step: int) -> dict[str, _Fetched]:
        return {name: self._fetch_stream(name, s, step) for name, s in self.streams.items() if s is not None}

    def _fetch_stream(self, name: str, stream: ScanStream, step: int) -> _Fetched:
        batch = stream.sampler.batch
        # drawn for all ranks, so that patches do not depend on their number
        u = torch.rand(batch, 3 + len(self.patch_size), generator=generator(self.seed, name, "patch", step)).numpy()
        mine, rows = local_rows(batch), stream.sampler.rows_at(step)[local_rows(batch)]
        images, labels = [], []
        for row, draw in zip(rows.tolist(), u[mine].astype(np.float64), strict=True):
            image = self.scans.image(row)
            starts = self._starts(row, image.shape[1:], draw, foreground=stream.labeled)
            images.append(_cut(image, starts, self.patch_size, 0))
            if stream.labeled:
                labels.append(_cut(self.scans.label_values(row), starts, self.patch_size, self.scans.values[0]))
        fetched = _Fetched(rows, self._pin(torch.from_numpy(np.stack(images))))
        if stream.labeled:
            fetched.label = self._pin(torch.from_numpy(self.table[np.stack(labels)]))
        return fetched

    def _pin(self, values: Tensor) -> Tensor:
        return values.pin_memory() if self.device.type == "cuda" else values

    def _starts(self, row: int, shape: tuple[int, ...], draw: NDArray[np.float64], *, foreground: bool) -> list[int]:
        """First voxel of the patch along each axis; negative where the volume is padded."""
        room = [max(n - side, 0) for n, side in zip(shape, self.patch_size, strict=True)]
        starts = [int(u * (free + 1)) for u, free in zip(draw[3:], room, strict=True)]
        if foreground and draw[0] < self.scan.foreground_share and (classes := self._places(row)):
            places = classes[int(draw[1] * len(classes))]
            center = places[int(draw[2] * len(places))].tolist()
            starts = [
                min(max(c - side // 2, 0), free) for c, side, free in zip(center, self.patch_size, room, strict=True)
            ]
        pads = [max(side - n, 0) // 2 for n, side in zip(shape, self.patch_size, strict=True)]
        return [start - pad for start, pad in zip(starts, pads, strict=True)]

    def _places(self, row: int) -> list[NDArray[np.int32]]:
        """For each foreground class in the case, up to `_MOST_PLACES` voxels, (n, axes)."""
        if row not in self._foreground:
            values = self.scans.label_values(row)
            places = []
            for value in self.scans.values[1:]:
                flat = np.flatnonzero(values == value)
                chosen = flat[np.linspace(0, len(flat) - 1, min(len(flat), _MOST_PLACES)).astype(np.int64)]
                places.append(np.stack(np.unravel_index(chosen, values.shape), 1).astype(np.int32))
            self._foreground[row] = [voxels for voxels in places if len(voxels)]
        return self._foreground[row]

    def _samples(self, name: str, step: int, fetched: _Fetched) -> Samples:
        stream = self.streams[name]
        assert stream is not None
        batch = stream.sampler.batch
        turn = _own(self.turns.draw(batch, generator(self.seed, name, "turn", step)), batch)
        images = self.turns.apply(fetched.images.to(self.device, non_blocking=True).float(), turn)
        label = fetched.label
        if label is not None:
            label = self.turns.apply(label.to(self.device, non_blocking=True), turn)
        return Samples(
            views=tuple(
                self._view(view, name, number, step, images, batch) for number, view in enumerate(stream.views)
            ),
            index=torch.from_numpy(fetched.rows).to(self.device, non_blocking=True),
            label=label,
        )

    def _view(self, view: str, stream: str, number: int, step: int, images: Tensor, batch: int) -> Tensor:
        change = self.intensities[view]
        if not (change.cfg.first_clean and number == 0):
            draws = _own(change.draw(batch, generator(self.seed, stream, number, step)), batch)
            images = change.apply(images, draws)
        return images.contiguous(memory_format=self.memory_format)


def _own(draws: Draws, batch: int) -> Draws:
    """This rank's share of the draws for all ranks, so that views do not depend on the number of ranks."""
    return {name: value[local_rows(batch)] for name, value in draws.items()}


def _cut(array: NDArray, starts: list[int], size: tuple[int, ...], fill: int) -> NDArray:
    """A copy of (..., *size) from `starts` on; voxels outside the array get `fill`."""
    lead = array.ndim - len(size)
    shape = array.shape[lead:]
    inside = tuple(slice(max(s, 0), min(s + side, n)) for s, side, n in zip(starts, size, shape, strict=True))
    part = np.asarray(array[on_last_axes(inside)])
    if part.shape[lead:] == size:
        return part.copy()
    patch = np.full((*array.shape[:lead], *size), fill, array.dtype)
    patch[on_last_axes(slice(i.start - s, i.stop - s) for i, s in zip(inside, starts, strict=True))] = part
    return patch
