"""What lies in a source, before any pixel is read: items, their labels, and all faults found on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands where an image should be. `reason` completes a sentence that starts with the file: "is empty"."""

    reason: str


Content = bytes | Path | NDArray[np.uint8] | Unreadable  # an array is (H, W) or (H, W, C)


class Store(ABC):
    """A place that holds the contents of items."""

    @abstractmethod
    def read(self, keys: Sequence[Any]) -> Iterator[Content]:
        """The contents of `keys`, in their order, which is the order of the listing: a shard is read forwards only."""

    def read_headers(self, keys: Sequence[Any]) -> Iterator[Content]:
        """Contents that tell size and mode of `keys`, in their order; their pixels may be missing."""
        return self.read(keys)

    @abstractmethod
    def place(self, name: str) -> str:
        """Where the item `name` lies, for a message."""


class Files(Store):
    """Image files under a folder; keys are paths relative to it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, keys: Sequence[str]) -> Iterator[Content]:
        return (self.root / key for key in keys)

    def place(self, name: str) -> str:
        return str(self.root / name)


@dataclass(frozen=True, slots=True)
class Item:
    """One image: `name` is what a person calls it, `label` its class name, or None if it has none."""

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
        flip_ok: whether a mirrored image keeps its class, as far as the kind of source tells.
    """

    kind: str
    where: str
    items: list[Item] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    flip_ok: bool = True


def sort_classes(names: set[str]) -> tuple[str, ...]:
    """Class names in their order: by number if all are numbers, else by name."""
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))
