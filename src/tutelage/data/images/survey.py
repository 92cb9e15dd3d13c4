"""Reading items in order, with threads: what they are, their pixels, or both from one decoding."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tutelage.core.regular import read_regular
from tutelage.data.images.channels import as_seen, is_deep
from tutelage.data.images.framing import FULL_CROP, Framing, Pixels
from tutelage.data.images.items import Content, Item, Unreadable
from tutelage.data.images.levels import Range, used_range
from tutelage.data.images.perceptual_hash import SIDE, gray_thumbnail
from tutelage.data.images.reading import (
    MAX_PIXELS,
    ImageFault,
    Size,
    decode_image,
    quiet_pillow,
    read_header,
    read_values,
)

T = TypeVar("T")
DIGEST = 16  # bytes
_BLOCK = 32  # items in flight per worker: enough to keep it busy, few enough to hold in memory
_MOST_DEEP = 500  # images of more than 8 bits whose values are looked at
_DEAD_LINK = "is a link to a file that does not exist: restore the file or remove the link"
_GROUP = 8  # items that a worker takes at once, since handing over takes longer than decoding a tiny image


@dataclass(frozen=True, slots=True)
class ImageLook:
    """What one image is.

    Attributes:
        size: (width, height) in its file.
        mode: of Pillow.
        digest: 16-byte hash of its file or array; empty where only the header was read, the number of bytes where not
            even that was.
        thumbnail: the bytes of `gray_thumbnail`; empty unless they were asked for.
    """

    size: Size
    mode: str
    digest: bytes
    thumbnail: bytes = b""

    @staticmethod
    def unseen(length: int) -> ImageLook:
        """Of an image that is not read before it is used; all that is known is the number of its bytes."""
        return ImageLook((0, 0), "", length.to_bytes(8))

    @property
    def seen(self) -> bool:
        """Whether size and mode are known."""
        return bool(self.mode)


Looks = list[ImageLook | Unreadable]


def read_headers(items: Sequence[Item], *, workers: int = 1, most: int = MAX_PIXELS) -> Looks:
    """Size and mode of each image, in order; no pixel is decoded, so damaged images are not noticed.

    Args:
        most: pixels that an image may have.
    """

    def look(content: Content) -> ImageLook | Unreadable:
        found = None if isinstance(content, Unreadable) else read_header(content, most=most)
        if found is None:
            return Unreadable(_DEAD_LINK if _is_dead_link(content) else "has no readable header")
        return ImageLook(*found, digest=b"")

    return list(_map_contents(look, items, workers, headers=True))


def read_digests(items: Sequence[Item], *, workers: int = 1) -> list[bytes | Unreadable]:
    """A 16-byte hash of the file or array of each image, in order, as in `ImageLook`; nothing is decoded."""

    def digest(content: Content) -> bytes | Unreadable:
        try:
            return _digest(_load(content))
        except ImageFault as fault:
            return Unreadable(str(fault))

    return list(_map_contents(digest, items, workers))


def survey_images(
    items: Sequence[Item],
    *,
    workers: int = 1,
    levels: Range | None = None,
    thumbnails: bool = False,
    most: int = MAX_PIXELS,
) -> Looks:
    """What each image is, in order. Each is decoded in full, so that damage is noticed before training.

    Args:
        levels, most: as in `decode_image`.
        thumbnails: whether looks have thumbnails.
    """

    def look(content: Content) -> ImageLook | Unreadable:
        try:
            loaded = _load(content)
            pixels, size, mode = decode_image(loaded, at_least=SIDE if thumbnails else 1, levels=levels, most=most)
            small = gray_thumbnail(as_seen(pixels, mode)).tobytes() if thumbnails else b""
            return ImageLook(size, mode, _digest(loaded), small)
        except ImageFault as fault:
            return Unreadable(str(fault))

    return list(_map_contents(look, items, workers))


def pixel_digests(items: Sequence[Item], *, workers: int = 1) -> list[bytes | Unreadable]:
    """A 16-byte hash of the size and colors of each image as it is seen, in order; equal in every lossless format."""

    def digest(content: Content) -> bytes | Unreadable:
        try:
            pixels, _, mode = decode_image(_load(content), at_least=MAX_PIXELS)  # a JPEG is not scaled
            pixels = as_seen(pixels, mode)
            return _digest(np.stack([pixels] * 3, axis=2) if pixels.ndim == 2 else pixels)
        except ImageFault as fault:
            return Unreadable(str(fault))

    return list(_map_contents(digest, items, workers))


def read_images(
    items: Sequence[Item], *, size: int, channels: int, framing: Framing = FULL_CROP, workers: int = 1
) -> Iterator[tuple[ImageLook, Pixels] | Unreadable]:
    """What each image is and its pixels (channels, size, size) uint8, in order, from one decoding."""

    def read(content: Content) -> tuple[ImageLook, Pixels] | Unreadable:
        try:
            loaded = _load(content)
            pixels, original, mode = decode_image(
                loaded, at_least=framing.short_side(size), levels=framing.levels, most=framing.most_pixels
            )
            return ImageLook(original, mode, _digest(loaded)), framing.to_square(pixels, size, channels)
        except ImageFault as fault:
            return Unreadable(str(fault))

    return _map_contents(read, items, workers)


def read_views(
    items: Sequence[Item],
    *,
    size: int,
    channels: int,
    framing: Framing,
    other: int,
    known: Container[bytes] = (),
    workers: int = 1,
) -> Iterator[tuple[ImageLook, Pixels | None, Pixels] | Unreadable]:
    """What each image is, with a thumbnail, and its pixels in two sizes, in order, from one decoding.

    The first are those of `read_pixels`, the others (channels, other, other), cropped.

    Args:
        known: digests of images whose first pixels are not needed: they are None.
    """
    cropped = Framing(mode="crop", levels=framing.levels)

    def read(content: Content) -> tuple[ImageLook, Pixels | None, Pixels] | Unreadable:
        try:
            loaded = _load(content)
            pixels, original, mode = decode_image(
                loaded, at_least=framing.short_side(size), levels=framing.levels, most=framing.most_pixels
            )
            look = ImageLook(original, mode, _digest(loaded), gray_thumbnail(as_seen(pixels, mode)).tobytes())
            first = None if look.digest in known else framing.to_square(pixels, size, channels)
            return look, first, cropped.to_square(pixels, other, channels)
        except ImageFault as fault:
            return Unreadable(str(fault))

    return _map_contents(read, items, workers)


def pixel_reader(*, size: int, channels: int, framing: Framing = FULL_CROP) -> Callable[[Content], Pixels | Unreadable]:
    """A function from what a store gives to (channels, size, size) uint8; threads may share it."""

    def read(content: Content) -> Pixels | Unreadable:
        try:
            pixels, _, _ = decode_image(
                _load(content), at_least=framing.short_side(size), levels=framing.levels, most=framing.most_pixels
            )
            return framing.to_square(pixels, size, channels)
        except ImageFault as fault:
            return Unreadable(str(fault))

    return read


def read_pixels(
    items: Sequence[Item], *, size: int, channels: int, framing: Framing = FULL_CROP, workers: int = 1
) -> Iterator[Pixels | Unreadable]:
    """(channels, size, size) uint8 of each image, in order; the result does not depend on `workers`."""
    return _map_contents(pixel_reader(size=size, channels=channels, framing=framing), items, workers)


def find_levels(
    items: Sequence[Item], looks: Sequence[ImageLook | Unreadable], *, workers: int = 1, most: int = MAX_PIXELS
) -> Range | None:
    """The range of values that images of more than 8 bits use, of at most 500 of them; None if there are none."""
    deep = [item for item, look in zip(items, looks, strict=True) if isinstance(look, ImageLook) and is_deep(look.mode)]
    chosen = [deep[place] for place in np.linspace(0, len(deep) - 1, min(len(deep), _MOST_DEEP)).astype(int)]

    def read(content: Content) -> NDArray | None:
        try:
            return read_values(_load(content), most=most)
        except ImageFault:  # it is a fault where the image is decoded
            return None

    return used_range(values for values in _map_contents(read, chosen, workers) if values is not None)


def _digest(loaded: bytes | NDArray) -> bytes:
    data = loaded if isinstance(loaded, bytes) else repr(loaded.shape).encode() + loaded.tobytes()
    return hashlib.blake2b(data, digest_size=DIGEST).digest()


def _load(content: Content) -> bytes | NDArray:
    if isinstance(content, Unreadable):
        raise ImageFault(content.reason)
    if not isinstance(content, Path):
        return content
    try:
        return read_regular(content)
    except OSError as error:
        if _is_dead_link(content):
            raise ImageFault(_DEAD_LINK) from None
        if isinstance(error, FileNotFoundError):
            raise ImageFault("does not exist") from None
        raise ImageFault(f"cannot be read: {error.strerror}") from error


def _is_dead_link(content: Content) -> bool:
    """Whether it is a link to nothing, or to itself."""
    return isinstance(content, Path) and content.is_symlink() and not os.path.exists(content)  # noqa: PTH110


def _map_contents(
    function: Callable[[Content], T], items: Sequence[Item], workers: int, *, headers: bool = False
) -> Iterator[T]:
    contents, workers = _contents(items, headers), max(workers, 1)

    def several(group: list[Content]) -> list[T]:
        return [function(content) for content in group]

    with ThreadPoolExecutor(workers) as pool:  # threads, since decoders release the GIL
        while block := list(islice(contents, _BLOCK * workers)):
            with quiet_pillow():  # per block, so that the caller's own warnings show between blocks
                groups = [block[start : start + _GROUP] for start in range(0, len(block), _GROUP)]
                results = list(pool.map(several, groups) if workers > 1 else map(several, groups))
            for group in results:
                yield from group


def _contents(items: Sequence[Item], headers: bool) -> Iterator[Content]:
    for _, group in groupby(items, key=lambda item: id(item.store)):
        run = list(group)
        store, keys = run[0].store, [item.key for item in run]
        yield from store.read_headers(keys) if headers else store.read(keys)
