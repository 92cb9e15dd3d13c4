"""The content of a source before any pixel is read: items, labels and faults."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from tutelage.core.names import LONGEST_CLASS

HAS_HEIF = find_spec("pillow_heif") is not None  # of the extra heic
HEIF_SUFFIXES = (".heic", ".heif")
IMAGE_SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff"),
    ".webp",
    *(HEIF_SUFFIXES if HAS_HEIF else ()),
)

DOUBTFUL = 2.0  # seconds; a file that changed so shortly ago may change again without another time of change


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Takes the place of an image that cannot be read. `reason` completes a sentence that starts with the file name."""

    reason: str


class Stamp(NamedTuple):
    """What the system tells of a file without reading it: path, bytes, and times of change in ns.

    `part` is what an item takes of it.
    """

    path: str
    size: int
    modified: int
    changed: int
    part: Any = None

    @staticmethod
    def of(path: str, part: Any = None) -> Stamp:
        """Of a file; a size of -1 if there is none. Paths are text, since this is done for each image."""
        try:
            found = os.stat(path)  # noqa: PTH116
        except OSError:
            return Stamp(path, -1, 0, 0, part)
        return Stamp(path, found.st_size, found.st_mtime_ns, found.st_ctime_ns, part)


Content = bytes | Path | NDArray[Any] | Unreadable  # an array is (H, W) or (H, W, C), uint8 or of more bits


class Store(ABC):
    """Where the contents of items are stored.

    Attributes:
        streams: whether the content of any key can be read without those before it, from a file that may be looked at.
        lasting: whether the contents are in files, so that what holds the store holds no images in memory.
    """

    streams = False
    lasting = True

    @abstractmethod
    def read(self, keys: Sequence[Any]) -> Iterator[Content]:
        """The contents of `keys`, in their order, which must be that of the listing: shards are read sequentially."""

    def read_headers(self, keys: Sequence[Any]) -> Iterator[Content]:
        """Contents from which size and mode of `keys` can be read, in their order; the pixels may be missing."""
        return self.read(keys)

    def stamps(self, keys: Sequence[Any]) -> Iterator[Stamp | None]:
        """For each key what changes when its content may have changed; None where that cannot be told."""
        return (None for _ in keys)

    def length(self, key: Any, stamp: Stamp) -> int:
        """Bytes of the content of `key`; `stamp` is its own."""
        return stamp.size

    @abstractmethod
    def place(self, name: str) -> str:
        """The location of the item `name`, for messages."""


class Files(Store):
    """Image files under a folder; keys are paths relative to it."""

    streams = True

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, keys: Sequence[str]) -> Iterator[Content]:
        return (self.root / key for key in keys)

    def stamps(self, keys: Sequence[str]) -> Iterator[Stamp | None]:
        root = str(self.root.absolute())
        return (Stamp.of(os.path.join(root, key)) for key in keys)  # noqa: PTH118

    def place(self, name: str) -> str:
        return str(self.root / name)


@dataclass(frozen=True, slots=True)
class Item:
    """One image: `name` is shown to the user, `label` is its class name, or None if it has none."""

    name: str
    label: str | None
    store: Store
    key: Any

    @property
    def place(self) -> str:
        return self.store.place(self.name)


@dataclass
class ImageListing:
    """All images of one source, or of one split of it.

    Attributes:
        kind: what was recognized, in words.
        where: the source as the user named it.
        classes: class names in the order of their indices.
        faults: what makes the source unusable, one sentence each, safe to print.
        warnings: what the user should know, one sentence each.
        no_labels: why no image may have a label, to be added where that is a fault.
        misplaced: by those faults that are of where images lie, the images: for commands that need no classes.
        flip_ok: whether a mirrored image keeps its class, as far as the kind of source is known to.
    """

    kind: str
    where: str
    items: list[Item] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    no_labels: str = ""
    misplaced: dict[str, list[str]] = field(default_factory=dict)
    flip_ok: bool = True


def sort_classes(names: set[str]) -> tuple[str, ...]:
    """Class names in order: numerically if all are numbers, else alphabetically."""
    if all(name.isdecimal() and len(name) <= LONGEST_CLASS for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))
