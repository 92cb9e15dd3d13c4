"""Images that are decoded when a step asks for them, for pools that no memory and no disk holds decoded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.images.framing import Pixels
from tutelage.data.images.items import Content, Item, Unreadable
from tutelage.data.images.reader import Decoding, ImageReader
from tutelage.data.images.survey import DIGEST, ImageLook, Looks, pixel_reader

Rows = NDArray[np.int64]
_GROUP = 8  # images that a thread takes at once
_BLOCK = 256  # images, when all are passed through
_SAID = 10  # images that cannot be read and are named; further ones are only counted


class StreamedImages:
    """Images (N, C, size, size) uint8 that are read like an array, by rows, and decoded each time they are.

    Held rows are in memory. An image that cannot be read, or whose file is another one than at the start, is a fault,
    or is replaced by another one of the same request.

    Args:
        items: the images, of stores that can be read at any place.
        decoding: what they are decoded to.
        stamps: (N, 2) int64 of `stamps_of`, as they were at the start.
        workers: threads that decode.
        skip: whether images that cannot be read are replaced.
        tell: receives one line on each of the first ten of them.
    """

    ndim = 4
    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        items: Sequence[Item],
        decoding: Decoding,
        *,
        stamps: NDArray[np.int64],
        workers: int = 1,
        skip: bool = False,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.items, self.decoding = items, decoding
        self.shape = (len(items), decoding.channels, decoding.size, decoding.size)
        self.lost: set[int] = set()
        self._stamps, self._skip, self._tell = stamps, skip, tell
        self._read = pixel_reader(size=decoding.size, channels=decoding.channels, framing=decoding.framing)
        self._pool = ThreadPoolExecutor(max(workers, 1), "decode")
        self._held_rows, self._held = np.zeros(0, np.int64), np.zeros((0, *self.shape[1:]), np.uint8)
        self._telling = threading.Lock()

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Pixels]:
        for start in range(0, len(self), _BLOCK):
            yield from self[start : start + _BLOCK]

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        """The images of some rows, (n, C, size, size), or of one, (C, size, size)."""
        if isinstance(rows, int | np.integer):
            return self.fetch(np.array([rows if rows >= 0 else rows + len(self)]))[1][0]
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        return self.fetch(np.asarray(rows, np.int64))[1]

    def hold(self, rows: Rows, pixels: NDArray[np.uint8]) -> None:
        """Keep the pixels (n, C, size, size) of sorted rows (n,) in memory."""
        self._held_rows, self._held = rows, pixels

    def fetch(self, rows: Rows) -> tuple[Rows, NDArray[np.uint8]]:
        """The images of rows (n,), in their order, and the rows that they are of: others where some cannot be read.

        Raises:
            DataError: some cannot be read, and are not to be replaced; or all of them.
        """
        asked, place = np.unique(rows, return_inverse=True)
        pixels = np.empty((len(asked), *self.shape[1:]), np.uint8)
        spot = np.searchsorted(self._held_rows, asked).clip(max=max(len(self._held_rows) - 1, 0))
        held = self._held_rows[spot] == asked if len(self._held_rows) else np.zeros(len(asked), bool)
        pixels[held] = self._held[spot[held]]
        good, faults = np.ones(len(asked), bool), list[str]()
        missing = np.flatnonzero(~held)
        for k, found in zip(missing.tolist(), self._decoded(asked[missing].tolist()), strict=True):
            if isinstance(found, Unreadable):
                good[k] = False
                faults.append(f"{shown(self.items[asked[k]].place)} {found.reason}")
            else:
                pixels[k] = found
        if faults:
            if not self._skip or not good.any():
                raise DataError(faults)
            self._name_lost(asked[~good].tolist(), faults)
            instead = np.flatnonzero(good)
            nearest = instead[np.searchsorted(instead, np.arange(len(asked))) % len(instead)]
            place = nearest[place]
        return asked[place], pixels[place]

    def _decoded(self, rows: list[int]) -> Iterator[Pixels | Unreadable]:
        groups = [rows[start : start + _GROUP] for start in range(0, len(rows), _GROUP)]
        for found in self._pool.map(self._decode, groups):
            yield from found

    def _decode(self, rows: list[int]) -> list[Pixels | Unreadable]:
        found: list[Pixels | Unreadable] = []
        for _, group in groupby(rows, key=lambda row: id(self.items[row].store)):
            run = list(group)
            store, keys = self.items[run[0]].store, [self.items[row].key for row in run]
            changed = self._changed(run, stamps_of([self.items[row] for row in run]))
            contents: Iterator[Content] = store.read(keys)
            found += [
                Unreadable("is another file than at the start") if new else self._read(content)
                for content, new in zip(contents, changed, strict=True)
            ]
        return found

    def _changed(self, rows: list[int], now: NDArray[np.int64]) -> list[bool]:
        """Whether there is another file now; of one that is gone, reading tells."""
        there = now[:, 0] >= 0
        changed: list[bool] = (there & (now != self._stamps[rows]).any(1)).tolist()
        return changed

    def _name_lost(self, rows: list[int], faults: list[str]) -> None:
        with self._telling:
            for row, fault in zip(rows, faults, strict=True):
                if row not in self.lost:
                    self.lost.add(row)
                    if len(self.lost) <= _SAID:
                        self._tell(f"left out: {fault}" + (", ..." if len(self.lost) == _SAID else ""))


ImageRows = NDArray[np.uint8] | StreamedImages
"""Images (N, C, size, size) uint8, to be indexed by rows."""


def stamps_of(items: Sequence[Item]) -> NDArray[np.int64]:
    """(N, 2): bytes of each item, -1 if its file is not there, and the time of the last change of the file in ns."""
    found = np.full((len(items), 2), -1, np.int64)
    row = 0
    for _, group in groupby(items, key=lambda item: id(item.store)):
        run = list(group)
        store = run[0].store
        for item, stamp in zip(run, store.stamps([item.key for item in run]), strict=True):
            if stamp is not None and stamp.size >= 0:
                found[row] = store.length(item.key, stamp), stamp.modified
            row += 1
    return found


def open_stream(
    items: Sequence[Item], headers: Looks, decoding: Decoding, reader: ImageReader, *, skip: bool
) -> tuple[Looks, StreamedImages]:
    """What is known of images before they are decoded, and those whose header is not known to be unreadable.

    Args:
        headers: of the items, as far as they were read.
        skip: see `StreamedImages`.
    """
    readable = [item for item, look in zip(items, headers, strict=True) if isinstance(look, ImageLook)]
    stamps = stamps_of(readable)
    images = StreamedImages(readable, decoding, stamps=stamps, workers=reader.workers, skip=skip, tell=reader.tell)
    lengths = iter(stamps[:, 0].clip(0).tolist())
    shared: dict[int, ImageLook] = {}
    looks: Looks = []
    for look in headers:
        if isinstance(look, ImageLook):
            length = next(lengths)
            unseen = shared.get(length) or shared.setdefault(length, ImageLook.unseen(length))
            if len(look.digest) != DIGEST:
                look = replace(look, digest=unseen.digest) if look.seen else unseen
        looks.append(look)
    return looks, images
