"""Decoded images of a run with their labels, in memory or in files that are mapped into memory."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError
from tutelage.core.files import atomic_file
from tutelage.core.names import shown
from tutelage.data.images.framing import FULL_CROP, Framing, Pixels
from tutelage.data.images.items import Item, Unreadable
from tutelage.data.images.survey import read_pixels

Shape = tuple[int, int, int, int]  # (N, C, size, size)


class PixelCache:
    """The decoded images of the parts of a run, by name: in memory, or in files where they take more than `limit`.

    Args:
        folder: of the files; None keeps everything in memory.
        limit: bytes of one array.

    Attributes:
        seconds, rows: time that reading and decoding took so far, and for how many images.
    """

    def __init__(self, folder: Path | None, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self.seconds, self.rows = 0.0, 0
        self._kept: dict[str, Pixels] = {}

    def may_hold(self, part: str, shape: Shape) -> bool:
        """Whether a file of this part and size is there, perhaps with other contents."""
        file = self._file(f"{part}-*", shape)
        return file is not None and any(file.parent.glob(file.name))

    def fill(self, name: str, rows: Iterator[Pixels], shape: Shape) -> Pixels:
        """The rows that come, at most `shape[0]`, as one array (N, C, size, size).

        Raises:
            RunError: the file cannot be written.
        """
        begin, file = time.perf_counter(), self._file(name, shape)
        array = _in_memory(rows, shape) if file is None else _in_file(file, rows, shape)
        self.seconds, self.rows = self.seconds + time.perf_counter() - begin, self.rows + len(array)
        return array

    def keep(self, name: str, array: Pixels, *, filled_as: str) -> None:
        """Keep an array of `fill` until it is taken, under a name that identifies its content."""
        if self.folder is not None and isinstance(array, np.memmap):
            array = _map(_path(self.folder, filled_as, array.shape).replace(_path(self.folder, name, array.shape)))
        self._kept[name] = array

    def take(self, name: str, shape: Shape) -> Pixels | None:
        """The array of a name and shape, if it is kept or lies in a file; one of another shape is dropped."""
        array = self._kept.pop(name, None)
        if array is not None and array.shape == shape:
            return array
        if array is not None:
            self.drop(name, array)
        file = self._file(name, shape)
        return None if file is None or not file.exists() else _map(file)

    def drop(self, name: str, array: Pixels) -> None:
        """Remove the file of an array, if it has one."""
        if self.folder is not None and isinstance(array, np.memmap):
            _path(self.folder, name, array.shape).unlink(missing_ok=True)

    def _file(self, name: str, shape: Shape) -> Path | None:
        """Where an array of this name and shape lies; None where it fits into memory."""
        return None if self.folder is None or math.prod(shape) <= self.limit else _path(self.folder, name, shape)


def _path(folder: Path, name: str, shape: tuple[int, ...]) -> Path:
    return folder / f"{name}-{shape[1]}x{shape[2]}.npy"


def _in_memory(rows: Iterator[Pixels], shape: Shape) -> Pixels:
    images, count = np.empty(shape, np.uint8), 0
    for row in rows:
        images[count] = row
        count += 1
    return images[:count]


def _in_file(file: Path, rows: Iterator[Pixels], shape: Shape) -> Pixels:
    """Written as a stream, whole or not at all: a full disk would kill a process that maps the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with atomic_file(file, what=f"the cache {file} ({math.prod(shape) / 1e6:.0f} MB)") as stream:
        stream.write(_header(shape))
        for row in rows:
            stream.write(row.tobytes())
            count += 1
        if count < shape[0]:
            stream.seek(0)
            stream.write(_header((count, *shape[1:])))
    return _map(file)


def _header(shape: Shape) -> bytes:
    """The header of a `.npy` file; NumPy pads it, so that it is as long for any number of rows."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def _map(file: Path) -> Pixels:
    return np.load(file, mmap_mode="r")


@dataclass
class ImageSet:
    """Decoded images in memory or memory-mapped.

    Attributes:
        images: (N, C, size, size) uint8.
        labels: (N,) int64, the index of the class, -1 where there is none or it is hidden.
        names: of the images, as shown to the user.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: list[str]

    def __len__(self) -> int:
        return len(self.images)


@dataclass
class ImageSubset:
    """Some labeled rows of an image set, to score on."""

    images: ImageSet
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(len(rows),) class indices."""
        return self.images.labels[self.rows]


def decode(
    items: Sequence[Item],
    classes: Sequence[str],
    *,
    size: int,
    channels: int,
    framing: Framing = FULL_CROP,
    workers: int = 1,
    cache: PixelCache | None = None,
    name: str = "images",
) -> ImageSet:
    """All items as one array.

    Args:
        cache: holds the array; an array that is there already is not decoded again. None decodes into memory.
        name: of the array in the cache; it must identify the content and the framing.

    Raises:
        DataError: images that cannot be read, all of them, or a label that is not in `classes`.
        RunError: the cache cannot be written.
    """
    labels, shape = class_indices(items, classes), (len(items), channels, size, size)
    cache = cache or PixelCache(None, 0)
    images = cache.take(name, shape)
    if images is None:
        rows = read_pixels(items, size=size, channels=channels, framing=framing, workers=workers)
        images = cache.fill(name, _readable(items, rows), shape)
    return ImageSet(images, labels, [item.name for item in items])


def class_indices(items: Sequence[Item], classes: Sequence[str]) -> NDArray[np.int64]:
    """(N,) the index of the class of each item, -1 where it has no label.

    Raises:
        DataError: labels that are not in `classes`, all of them.
    """
    index = {name: number for number, name in enumerate(classes)}
    unknown = [item for item in items if item.label is not None and item.label not in index]
    if unknown:
        raise DataError([f"{shown(item.place)}: '{shown(str(item.label))}' is not a class" for item in unknown])
    return np.array([-1 if item.label is None else index[item.label] for item in items], np.int64)


def _readable(items: Sequence[Item], rows: Iterator[Pixels | Unreadable]) -> Iterator[Pixels]:
    """The pixels of all items; a DataError at the end names all that cannot be read."""
    faults: list[str] = []
    for item, pixels in zip(items, rows, strict=True):
        if isinstance(pixels, Unreadable):
            faults.append(f"{shown(item.place)} {pixels.reason}")
        else:
            yield pixels
    if faults:
        raise DataError(faults)
