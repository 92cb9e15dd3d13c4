"""Reading items in order, on threads: a survey of what they are, or their pixels."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError
from tutelage.core.files import atomic_file
from tutelage.core.names import shown
from tutelage.data.images.image_set import ImageSet
from tutelage.data.images.items import Content, Item, Unreadable
from tutelage.data.images.reading import ImageFault, open_image, quiet_pillow, to_square

T = TypeVar("T")
_BLOCK = 32  # items in flight a worker: enough to keep it busy, little enough to hold in memory


@dataclass(frozen=True, slots=True)
class ImageLook:
    """What one image is: (width, height), Pillow mode, and a 16-byte hash of its file or array."""

    size: tuple[int, int]
    mode: str
    digest: bytes


def survey_images(items: Sequence[Item], *, workers: int = 1) -> list[ImageLook | Unreadable]:
    """Size, mode and hash of each image, in order. Each is decoded in full, so that damage shows before training."""
    return list(_map_contents(_look, items, workers))


def read_pixels(
    items: Sequence[Item], *, size: int, channels: int, workers: int = 1
) -> Iterator[NDArray[np.uint8] | Unreadable]:
    """(channels, size, size) uint8 of each image, in order; the result does not depend on `workers`."""

    def pixels(content: Content) -> NDArray[np.uint8] | Unreadable:
        try:
            return to_square(open_image(_load(content), at_least=size)[0], size, channels)
        except ImageFault as fault:
            return Unreadable(str(fault))

    return _map_contents(pixels, items, workers)


def decode(
    items: Sequence[Item],
    classes: Sequence[str],
    *,
    size: int,
    channels: int,
    workers: int = 1,
    cache: Path | None = None,
) -> ImageSet:
    """All items as one array, each decoded once.

    Args:
        cache: a `.npy` file to hold the array, memory-mapped; used again if it exists, so its name must tell its
            content. None keeps the array in memory.

    Raises:
        DataError: images that cannot be read, all of them, or a label that is not in `classes`.
        RunError: the cache cannot be written.
    """
    index = {name: number for number, name in enumerate(classes)}
    unknown = [item for item in items if item.label is not None and item.label not in index]
    if unknown:
        raise DataError([f"{shown(item.place)}: '{shown(str(item.label))}' is no class" for item in unknown])
    labels = np.array([-1 if item.label is None else index[item.label] for item in items], np.int64)
    names = [item.name for item in items]
    if cache is not None and cache.exists():
        return ImageSet(np.load(cache, mmap_mode="r"), labels, names)
    pixels = _all_pixels(items, size=size, channels=channels, workers=workers)
    shape = (len(items), channels, size, size)
    if cache is None:
        images = np.empty(shape, np.uint8)
        for row, image in enumerate(pixels):
            images[row] = image
        return ImageSet(images, labels, names)
    _write_array(cache, pixels, shape)
    return ImageSet(np.load(cache, mmap_mode="r"), labels, names)


def _all_pixels(items: Sequence[Item], *, size: int, channels: int, workers: int) -> Iterator[NDArray[np.uint8]]:
    """The pixels of all items, with zeros for those that cannot be read, which raise together at the end."""
    faults: list[str] = []
    for item, pixels in zip(items, read_pixels(items, size=size, channels=channels, workers=workers), strict=True):
        if isinstance(pixels, Unreadable):
            faults.append(f"{shown(item.place)} {pixels.reason}")
            yield np.zeros((channels, size, size), np.uint8)
        else:
            yield pixels
    if faults:
        raise DataError(faults)


def _write_array(path: Path, rows: Iterator[NDArray[np.uint8]], shape: tuple[int, ...]) -> None:
    """A `.npy` file, whole or not at all. Written as a stream: a full disk would kill a process that maps the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with atomic_file(path, what=f"the cache {path} ({math.prod(shape) / 1e6:.0f} MB)") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for row in rows:
            stream.write(row.tobytes())


def _look(content: Content) -> ImageLook | Unreadable:
    try:
        loaded = _load(content)
        _, size, mode = open_image(loaded, at_least=1)
    except ImageFault as fault:
        return Unreadable(str(fault))
    data = loaded if isinstance(loaded, bytes) else repr(loaded.shape).encode() + loaded.tobytes()
    return ImageLook(size, mode, hashlib.blake2b(data, digest_size=16).digest())


def _load(content: Content) -> bytes | NDArray[np.uint8]:
    if isinstance(content, Unreadable):
        raise ImageFault(content.reason)
    if not isinstance(content, Path):
        return content
    try:
        return content.read_bytes()
    except FileNotFoundError:
        raise ImageFault("does not exist") from None
    except OSError as error:
        raise ImageFault(f"cannot be read: {error.strerror}") from error


def _map_contents(function: Callable[[Content], T], items: Sequence[Item], workers: int) -> Iterator[T]:
    contents = _contents(items)
    with ThreadPoolExecutor(max(workers, 1)) as pool:  # threads: Pillow decodes without the interpreter's lock
        while block := list(islice(contents, _BLOCK * max(workers, 1))):
            with quiet_pillow():  # a block at a time: between two of them the caller's own warnings must show
                results = list(pool.map(function, block) if workers > 1 else map(function, block))
            yield from results


def _contents(items: Sequence[Item]) -> Iterator[Content]:
    for _, group in groupby(items, key=lambda item: id(item.store)):
        run = list(group)
        yield from run[0].store.read([item.key for item in run])
