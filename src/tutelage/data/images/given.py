"""Images that Python code hands over: paths, PIL images, arrays and tensors, alone or in a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from tutelage.core.console import warn
from tutelage.core.errors import DataError
from tutelage.core.frames import paths_of_frame
from tutelage.core.inputs import user_path
from tutelage.core.names import shown
from tutelage.data.images.items import Content, Item, Store, Unreadable
from tutelage.data.images.layout import COLORS, split_batch
from tutelage.data.images.reading import ImageFault, pixels_of
from tutelage.data.images.source import list_images

OneImage: TypeAlias = str | Path | Image.Image | NDArray[Any] | Tensor
Images: TypeAlias = OneImage | Sequence[OneImage]
"""A path of an image or of a source of images, a PIL image, an array or tensor of one image or several, or a list."""

_EXPECTED = "a path, a PIL image, a NumPy array, a tensor, or a list of these"


class InMemory(Store):
    """Images in memory, and files named one by one; keys are places in `contents`."""

    lasting = False

    def __init__(self, contents: Sequence[Path | Image.Image | NDArray[np.uint8]]) -> None:
        self.contents = contents

    def read(self, keys: Sequence[int]) -> Iterator[Content]:
        return (_content(self.contents[key]) for key in keys)

    def place(self, name: str) -> str:
        return name


def list_given(
    images: Images,
    tell: Callable[[str], None] = warn,
    *,
    channels: int = 3,
    deep: bool = False,
) -> list[Item]:
    """The images to predict, in order: those of a source, or those handed over.

    A data frame is taken as the paths in its column `path`. A file is named by its path, an image in memory `image 0`,
    `image 1`, ..., by its place.

    Args:
        tell: receives one line on each kind of file that is left out; by default a warning of Python.
        channels: of the images of a model; of gray and color, an array may be either.
        deep: whether the model scales integers of more than 8 bits.

    Raises:
        DataError: a source does not exist or has no images; or an image is of another type, shape or range.
    """
    images = paths_of_frame(images)
    if isinstance(images, str | Path):
        listing = list_images(str(images), role="predict")
        if listing.faults:
            raise DataError(listing.faults)
        for warning in listing.warnings:
            tell(f"warning: {warning}")
        return listing.items
    names: list[str] = []
    contents: list[Path | Image.Image | NDArray[np.uint8]] = []
    alone = isinstance(images, Image.Image | np.ndarray | Tensor) and not _is_text(images)
    for number, one in enumerate([images] if alone else _as_list(images)):
        what = "the array" if alone else f"image {number}"
        found = _one(one, what, COLORS if channels in COLORS[:2] else (channels,), deep)
        if not alone and len(found) > 1:
            raise DataError(f"{what} of the list is a batch of {len(found)} images: pass one image each, or the batch")
        names += [
            str(one) if isinstance(one, str | Path) else f"image {len(names) + place}" for place in range(len(found))
        ]
        contents += found
    if not contents:
        raise DataError("there are no images: the list is empty")
    store = InMemory(contents)
    return [Item(name, None, store, key) for key, name in enumerate(names)]


def _one(image: object, what: str, channels: Sequence[int], deep: bool) -> list[Path | Image.Image | NDArray[np.uint8]]:
    if isinstance(image, str | Path):
        path = user_path(image)
        if path.is_dir():
            raise DataError(f"{shown(str(image))} is a folder: pass it alone, not in a list")
        return [path]
    if isinstance(image, Image.Image):
        return [image]
    if isinstance(image, Tensor):
        image = image.detach().cpu()
        image = image.float().numpy() if image.is_floating_point() else image.numpy()
    if isinstance(image, np.ndarray):
        return list(split_batch(image, what, channels=channels, deep=deep))
    raise DataError(f"{what} is of type {type(image).__name__}: expected {_EXPECTED}")


def _as_list(images: object) -> list[Any]:
    if isinstance(images, dict | bytes) or not hasattr(images, "__iter__"):
        raise DataError(f"images of type {type(images).__name__} cannot be read: expected {_EXPECTED}")
    return list(images)


def _is_text(images: object) -> bool:
    """Whether an array holds paths."""
    return isinstance(images, np.ndarray) and images.dtype.kind in "UO"


def _content(given: Path | Image.Image | NDArray[np.uint8]) -> Content:
    if not isinstance(given, Image.Image):
        return given
    try:
        return pixels_of(given)
    except ImageFault as fault:
        return Unreadable(str(fault))
