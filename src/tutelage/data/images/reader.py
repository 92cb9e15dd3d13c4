"""Reads images once: what they are, and their pixels, which later commands find in the cache."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tutelage.config.data import DataConfig
from tutelage.core.errors import RunError
from tutelage.core.names import counted
from tutelage.data.images.framing import FULL_CROP, Framing, Pixels
from tutelage.data.images.image_cache import ImageCache
from tutelage.data.images.items import Item, Unreadable
from tutelage.data.images.levels import Range
from tutelage.data.images.pixel_file import Shape
from tutelage.data.images.reading import MAX_PIXELS
from tutelage.data.images.survey import (
    ImageLook,
    Looks,
    find_levels,
    read_digests,
    read_headers,
    read_images,
    survey_images,
)

_WORTH_KEEPING = 1 << 20  # bytes of pixels; fewer are decoded again as fast


@dataclass(frozen=True, slots=True)
class Decoding:
    """What images are decoded to: the side in pixels, the number of channels, and how they become square."""

    size: int
    channels: int
    framing: Framing = FULL_CROP

    @property
    def key(self) -> str:
        """Part of the name of a cache file; it changes with the pixels."""
        return f"{self.size}-{self.channels}-{self.framing.key}"


@dataclass
class ImageReader:
    """Reads images with threads; the result does not depend on their number.

    Args:
        workers: the number of threads.
        cache: None reads all images again, and keeps their pixels in memory.
        limit: bytes of pixels that may be kept in memory where the cache has no room for them.
        most_pixels: that an image may have in its file.
        tell: receives one line on each image that cannot be read during training.

    Attributes:
        seconds, rows: time that decoding took so far, and for how many images.
        found: images whose pixels came from the cache.
        kept: images whose pixels were written to it.
    """

    workers: int = 1
    cache: ImageCache | None = None
    limit: int = 4 << 30
    most_pixels: int = MAX_PIXELS
    tell: Callable[[str], None] = lambda line: None
    seconds: float = field(default=0.0, init=False)
    rows: int = field(default=0, init=False)
    found: int = field(default=0, init=False)
    kept: int = field(default=0, init=False)

    def headers(self, items: Sequence[Item], levels: Range | None = None) -> Looks:
        """Size and mode of each image, in order, without decoding it: damage is not noticed, unless it is known.

        Args:
            levels: as in `survey`.
        """
        known = self._known(self._key(items, levels), len(items))
        return read_headers(items, workers=self.workers, most=self.most_pixels) if known is None else known

    def glance(self, items: Sequence[Item], headers: Looks) -> Looks:
        """As `survey`, with sizes and modes of `headers`: nothing is decoded, and damage is not noticed."""
        known = self._known(self._key(items, None), len(items))
        if known is not None:
            return known
        digests = read_digests(items, workers=self.workers)
        return [
            header
            if isinstance(header, Unreadable)
            else digest
            if isinstance(digest, Unreadable)
            else replace(header, digest=digest)
            for header, digest in zip(headers, digests, strict=True)
        ]

    def levels(
        self, config: DataConfig, items: Sequence[Item], looks: Sequence[ImageLook | Unreadable]
    ) -> Range | None:
        """The values of images of more than 8 bits that become black and white; None if there are no such images.

        They are those that settings give, or else the range that the images use.
        """
        given = Framing.of(config).levels
        most = self.most_pixels
        return find_levels(items, looks, workers=self.workers, most=most) if given is None else given

    def survey(self, items: Sequence[Item], levels: Range | None = None, *, thumbnails: bool = False) -> Looks:
        """What each image is, in order. Each is decoded in full, so that damage is noticed before training.

        Args:
            levels: of images of more than 8 bits: the values that become black and white.
            thumbnails: they are not cached, so that all images are decoded again.
        """
        key = self._key(items, levels)
        with self._locked(key):
            known = None if thumbnails else self._known(key, len(items))
            if known is None:
                known = survey_images(
                    items, workers=self.workers, levels=levels, thumbnails=thumbnails, most=self.most_pixels
                )
                self._keep(key, known)
        return known

    def read(self, items: Sequence[Item], decoding: Decoding) -> tuple[Looks, Pixels]:
        """What each image is, in order, and the pixels (N, C, size, size) of those that can be read.

        Raises:
            RunError: there is no room for them.
        """
        shape = (len(items), decoding.channels, decoding.size, decoding.size)
        key = self._key(items, decoding.framing.levels) if math.prod(shape) >= _WORTH_KEEPING else None
        with self._locked(key):
            looks = self._known(key, len(items))
            if key is not None and looks is not None and self.cache is not None:
                pixels = self.cache.pixels(f"{key}-{decoding.key}", shape[1:])
                if pixels is not None:
                    self.found += len(pixels)
                    return looks, pixels
            begin = time.perf_counter()
            looks, pixels = self._decode(items, decoding, shape, key)
            self.seconds, self.rows = self.seconds + time.perf_counter() - begin, self.rows + len(items)
            self._keep(key, looks)
        return looks, pixels

    def holds(self, items: Sequence[Item], decoding: Decoding) -> bool:
        """Whether the cache has the pixels of these images."""
        key = self._key(items, decoding.framing.levels)
        return key is not None and self.cache is not None and self.cache.has(f"{key}-{decoding.key}")

    def has_room(self, needed: int) -> bool:
        """Whether `needed` bytes of pixels fit into the cache or into memory."""
        return needed <= max(self.limit, _WORTH_KEEPING) or (self.cache is not None and self.cache.could_hold(needed))

    def said(self) -> str | None:
        """How many images were read so far, and in what time; None if there were none."""
        parts = [f"{counted(self.rows, 'image')} read and decoded in {self.seconds:.0f} s"] if self.rows else []
        if self.kept:
            parts.append("their pixels are kept in the cache for later commands")
        if self.found:
            parts.append(f"the pixels of {counted(self.found, 'image')} come from the cache")
        return ", ".join(parts) or None

    def _decode(self, items: Sequence[Item], decoding: Decoding, shape: Shape, key: str | None) -> tuple[Looks, Pixels]:
        """Into the cache if there is room, else into memory."""
        why = ""
        if key is not None and self.cache is not None:
            looks: Looks = []
            try:
                pixels = self.cache.fill(f"{key}-{decoding.key}", self._rows(items, decoding, looks), shape)
                if pixels is not None:
                    self.kept += len(pixels)
                    return looks, pixels
                why = ", and the cache has no room for them"
            except OSError as error:
                why = f", and the cache cannot be written: {error.strerror or error}"
        if math.prod(shape) > max(self.limit, _WORTH_KEEPING):
            raise RunError(
                f"the decoded images take {math.prod(shape) / 2**20:,.0f} MB, data.memory_limit_mb allows "
                f"{self.limit >> 20:,} in memory{why}"
            )
        looks, array, count = [], np.empty(shape, np.uint8), 0
        for row in self._rows(items, decoding, looks):
            array[count] = row
            count += 1
        return looks, array[:count]

    def _rows(self, items: Sequence[Item], decoding: Decoding, looks: Looks) -> Iterator[Pixels]:
        """The pixels of all readable images; `looks` gets what each image is."""
        read = read_images(
            items, size=decoding.size, channels=decoding.channels, framing=decoding.framing, workers=self.workers
        )
        for found in read:
            looks.append(found if isinstance(found, Unreadable) else found[0])
            if not isinstance(found, Unreadable):
                yield found[1]

    def _key(self, items: Sequence[Item], levels: Range | None) -> str | None:
        return None if self.cache is None else self.cache.key(items, levels, most=self.most_pixels)

    def _known(self, key: str | None, count: int) -> Looks | None:
        return None if key is None or self.cache is None else self.cache.looks(key, count)

    def _keep(self, key: str | None, looks: Looks) -> None:
        if key is not None and self.cache is not None:
            self.cache.keep_looks(key, looks)

    def _locked(self, key: str | None) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if key is None or self.cache is None else self.cache.locked(key)
