"""The batch of a step: rows fetched ahead by threads, views made on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tutelage.augment.view import Draws, ImageShape, View
from tutelage.core.batch import Batch, Samples, batch_of
from tutelage.core.distributed import local_rows
from tutelage.core.seeding import generator
from tutelage.data.fetch_ahead import FetchAhead
from tutelage.data.images.streamed import ImageRows, StreamedImages
from tutelage.data.sampler import Sampler

Look = Callable[[Tensor, Draws], Tensor]  # from uint8 images to what the network takes

_BLOCK = 16  # images counted at a time; counting takes eight bytes per pixel


@dataclass(frozen=True)
class Normalization:
    """(x - mean) / std per channel, of gray levels in [0, 255]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def recorded(cls, facts: Mapping[str, Any]) -> Normalization:
        """That of a run whose config.json tells these facts about its data."""
        return cls(tuple(facts["mean"]), tuple(facts["std"]))

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, H, W) uint8 to float32, on the same device."""
        mean, scale = _constants(self, images.device)
        return images.float().sub_(mean).mul_(scale)


def unchanged(rows: Tensor) -> Tensor:
    """The normalization of cached features, which have had theirs."""
    return rows


@torch.compiler.assume_constant_result  # rather than a copy from the host in each compiled call
def _constants(normalization: Normalization, device: torch.device) -> tuple[Tensor, Tensor]:
    return _computed_once(normalization, device)


@cache
def _computed_once(normalization: Normalization, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and 1 / std, (1, C, 1, 1) each; kept on the device, since copying them would synchronize with it."""
    mean, scale = normalization.mean, [1.0 / s for s in normalization.std]
    first, second = (torch.tensor(values, dtype=torch.float32, device=device) for values in (mean, scale))
    return first.view(1, -1, 1, 1), second.view(1, -1, 1, 1)


@dataclass(frozen=True)
class ImageStream:
    """One stream: which rows, and under which views (in the order the method asked for).

    `probe` is an additional view whose `op` and `level` are kept with the images; CTAugment learns from it.
    """

    sampler: Sampler
    views: tuple[View, ...]
    labels: np.ndarray | None = None
    probe: View | None = None

    @property
    def all_views(self) -> tuple[View, ...]:
        """The views, then the probe if there is one."""
        return self.views if self.probe is None else (*self.views, self.probe)


@dataclass(frozen=True)
class Fetched:
    """What is known of a batch before its step: its rows and images, and the draws of its views.

    Draws are None where they depend on the training so far.
    """

    rows: Tensor
    images: Tensor
    draws: tuple[Draws | None, ...]

    def pinned(self) -> Fetched:
        """In host memory that a GPU reads by itself, while the host goes on."""
        draws = tuple(None if one is None else {k: v.pin_memory() for k, v in one.items()} for one in self.draws)
        return Fetched(self.rows.pin_memory(), self.images.pin_memory(), draws)


class ImageLoader:
    """`batch(step)` is a pure function of the step; threads and resuming do not change it.

    Args:
        images: (N, C, H, W) uint8, in memory, memory-mapped or streamed; or cached features (N, D) float32.
        streams: the labeled and the unlabeled one; None where the method has none.
        workers: threads that fetch rows ahead; 0 fetches when asked. The views are made by the caller's thread, on
            `device`.
        prefetch: steps fetched ahead.
        compiled: the backend of `torch.compile` that compiles each view with its normalization; None for none. On a CPU
            this is slower: views are made there with less arithmetic than a compiler can save.
    """

    def __init__(
        self,
        images: np.ndarray | StreamedImages,
        *,
        labeled: ImageStream | None,
        unlabeled: ImageStream | None,
        normalization: Callable[[Tensor], Tensor],
        seed: int,
        device: torch.device,
        workers: int = 1,
        prefetch: int = 2,
        channels_last: bool = False,
        compiled: str | None = None,
    ) -> None:
        self.images, self.streams = images, {"labeled": labeled, "unlabeled": unlabeled}
        self.normalization, self.seed, self.device = normalization, seed, device
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.shape = ImageShape(*images.shape[1:]) if images.ndim == 4 else ImageShape(images.shape[1], 1, 1)
        self._looks = {
            view: _compiled(partial(self._look, view), compiled)
            for stream in self.streams.values()
            if stream is not None
            for view in stream.all_views
        }
        self._rows = FetchAhead(self._fetch, workers=workers, prefetch=prefetch)

    def batch(self, step: int) -> Batch:
        """The batch of `step`, on the device; under torchrun this rank's share of it."""
        rows = self._rows(step)
        samples = {name: self._samples(name, step, rows[name]) for name in rows}
        return batch_of(samples.get("labeled"), samples.get("unlabeled"))

    @property
    def images_per_step(self) -> int:
        """Images per step, over both streams and all ranks; the views of an image count once."""
        return sum(stream.sampler.batch for stream in self.streams.values() if stream is not None)

    def rows_at(self, step: int) -> dict[str, list[int]]:
        """The rows of each stream at `step`, of all ranks."""
        return {name: s.sampler.rows_at(step).tolist() for name, s in self.streams.items() if s is not None}

    def close(self) -> None:
        """End the threads."""
        self._rows.close()

    def _fetch(self, step: int) -> dict[str, Fetched]:
        """For each stream this rank's share: all that can be made ahead, in host memory."""
        fetched = {}
        for name, stream in self.streams.items():
            if stream is not None:
                rows = stream.sampler.rows_at(step)[local_rows(stream.sampler.batch)]
                if isinstance(self.images, StreamedImages):
                    rows, pixels = self.images.fetch(rows)
                else:
                    pixels = self.images[rows]
                draws = tuple(
                    None if view.learned else self._draws(stream, view, name, number, step)
                    for number, view in enumerate(stream.all_views)
                )
                found = Fetched(torch.from_numpy(rows), torch.from_numpy(np.ascontiguousarray(pixels)), draws)
                fetched[name] = found.pinned() if self.device.type == "cuda" else found
        return fetched

    def _samples(self, name: str, step: int, fetched: Fetched) -> Samples:
        stream = self.streams[name]
        assert stream is not None
        images = fetched.images.to(self.device, non_blocking=True)
        drawn = [
            self._draws(stream, view, name, number, step) if draws is None else draws
            for number, (view, draws) in enumerate(zip(stream.all_views, fetched.draws, strict=True))
        ]
        there = [{key: value.to(self.device, non_blocking=True) for key, value in draws.items()} for draws in drawn]
        made = [self._looks[view](images, draws) for view, draws in zip(stream.all_views, there, strict=True)]
        extra = {}
        if stream.probe is not None:
            extra = {"probe": made.pop()} | {f"probe_{key}": there[-1][key] for key in ("op", "level")}
        label = None if stream.labels is None else torch.from_numpy(stream.labels[fetched.rows.numpy()])
        return Samples(
            views=tuple(made),
            index=fetched.rows.to(self.device, non_blocking=True),
            label=None if label is None else label.to(self.device, non_blocking=True),
            extra=extra,
        )

    def _draws(self, stream: ImageStream, view: View, name: str, number: int, step: int) -> Draws:
        """This rank's share of the draws for all ranks, so that views do not depend on the number of ranks."""
        batch = stream.sampler.batch
        draws = view.draw(batch, self.shape, generator(self.seed, name, number, step))
        return view.prepare({key: value[local_rows(batch)] for key, value in draws.items()}, self.shape)

    def _look(self, view: View, images: Tensor, draws: Draws) -> Tensor:
        return self.normalization(view.apply(images, draws)).contiguous(memory_format=self.memory_format)


def _compiled(look: Look, backend: str | None) -> Look:
    return look if backend is None else torch.compile(look, backend=backend, dynamic=False, fullgraph=True)


def pixel_statistics(images: ImageRows, *, most: int = 10_000) -> Normalization:
    """Mean and standard deviation per channel over at most `most` evenly spaced images (N, C, H, W) uint8.

    Exact, from counts of the 256 gray levels; only a few images are in memory at a time.
    """
    picked = np.linspace(0, len(images) - 1, min(len(images), most)).astype(np.int64)
    counts = np.zeros((images.shape[1], 256), np.int64)
    for start in range(0, len(picked), _BLOCK):
        block = images[picked[start : start + _BLOCK]]
        for channel in range(len(counts)):
            counts[channel] += np.bincount(block[:, channel].ravel(), minlength=256)
    share, levels = counts / counts.sum(1, keepdims=True), np.arange(256)
    means = share @ levels
    deviations = np.sqrt((share * (levels - means[:, None]) ** 2).sum(1))
    mean = tuple(round(float(m), 4) for m in means)
    std = tuple(round(max(float(d), 1.0), 4) for d in deviations)
    return Normalization(mean, std)
