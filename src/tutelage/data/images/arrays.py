"""Images as arrays: `.npz` files with `x` and `y`, and the digits that come with the package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.config.data import MOST_CHANNELS
from tutelage.core.names import LONGEST_CLASS, class_name_fault, first_of, shown
from tutelage.data.images.array_file import ArrayFault, ArrayFile, open_arrays
from tutelage.data.images.channels import channel_axis
from tutelage.data.images.items import Content, ImageListing, Item, Stamp, Store, Unreadable, sort_classes

DIGITS = Path(__file__).with_name("digits.npz")
_SPLITS = {"train": ("x", "y"), "val": ("x_val", "y_val"), "test": ("x_test", "y_test")}
_KNOWN = {"classes", *(name for pair in _SPLITS.values() for name in pair)}
_WIDEST = 1 << 14  # bytes of a class name, 4 for each character, that are read to quote their beginning


class Rows(Store):
    """One array of images in a `.npz` file; keys are row numbers."""

    def __init__(self, path: Path, array: str, where: str) -> None:
        self.path, self.array, self.where = path, array, where

    def read(self, keys: Sequence[int]) -> Iterator[Content]:
        try:
            with open_arrays(self.path) as file:
                images = file.read(self.array)
        except (ArrayFault, KeyError) as error:
            yield from (Unreadable(f"cannot be read: its file {error}") for _ in keys)
            return
        yield from (_to_pixels(images[key]) for key in keys)

    def read_headers(self, keys: Sequence[int]) -> Iterator[Content]:
        """Arrays of the right shape that take no memory; the shape comes from the header of the file."""
        try:
            with open_arrays(self.path) as file:
                shape, kind = file.header(self.array)
        except (ArrayFault, KeyError) as error:
            yield from (Unreadable(f"cannot be read: its file {error}") for _ in keys)
            return
        outline = _channels_last(np.broadcast_to(np.zeros((), _kept(kind)), shape[1:]))
        yield from (outline for _ in keys)

    def stamps(self, keys: Sequence[int]) -> Iterator[Stamp | None]:
        whole = Stamp.of(str(self.path.absolute()))
        return (whole._replace(part=(self.array, key)) for key in keys)

    def place(self, name: str) -> str:
        return f"{self.where} {name}" if name.startswith(self.array) else f"{self.where} {self.array} {name}"


def list_digits() -> dict[str, ImageListing]:
    """The bundled digits: 1,797 images of 8 x 8 pixels, of which every fifth of each class is a test image."""
    listings = list_arrays(DIGITS, "digits")
    for listing in listings.values():
        listing.kind, listing.flip_ok = "bundled digits", False
    return listings


def list_arrays(path: Path, where: str) -> dict[str, ImageListing]:
    """The splits of a `.npz` file.

    `x` is (N, H, W), (N, H, W, C) or (N, C, H, W), of uint8, integers of more bits, or floats in [0, 1], with C in 1 to
    16; see `channel_axis`. `y` is (N,) of integers with -1 for unlabeled, and may be missing. `x_val`, `y_val`,
    `x_test`, `y_test` are the other splits; `classes`, an array of text, names the classes.
    """
    train = ImageListing(".npz arrays", where)
    listings = {"train": train}
    try:
        with open_arrays(path) as file:
            if "x" not in file.arrays:
                got = first_of([*file.arrays, *(f"{name} (without .npy)" for name in file.others)]) or "nothing"
                train.faults.append(f"{shown(where)}: no array 'x' of images; the file holds {got}")
            train.warnings += [f"{shown(where)}: {warning}" for warning in _unused(file)]
            names = _class_names(file, where, train)
            for split, (x, y) in _SPLITS.items():
                if x in file.arrays:
                    listing = listings.setdefault(split, ImageListing(".npz arrays", where))
                    _fill(listing, file, x, y, path, names)
    except ArrayFault as fault:
        train.faults.append(f"{shown(where)} {fault}")
    return listings


def _unused(file: ArrayFile) -> Iterator[str]:
    """What is in a file and not read, one sentence each."""
    if others := sorted({*file.arrays, *file.others} - _KNOWN):
        yield f"arrays that are not used: {first_of(others)} (known: {', '.join(sorted(_KNOWN))})"
    for x, y in _SPLITS.values():
        if y in file.arrays and x not in file.arrays:
            yield f"'{y}' is not used, since there is no '{x}' with its images"


def _fill(listing: ImageListing, file: ArrayFile, x: str, y: str, path: Path, names: tuple[str, ...] | None) -> None:
    where = shown(listing.where)
    shape, dtype = file.header(x)
    if dtype.kind not in "iuf":
        listing.faults.append(f"{where}: '{x}' must be of integers, or of floats in [0, 1], got {dtype}")
    if len(shape) not in (3, 4) or (len(shape) == 4 and channel_axis(shape[1:]) is None):
        listing.faults.append(
            f"{where}: '{x}' must be (N, H, W), (N, H, W, C) or (N, C, H, W) with up to {MOST_CHANNELS} channels, "
            f"got shape {shape}"
        )
    elif 0 in shape:
        none = "holds no images" if not shape[0] else f"holds images without pixels, of shape {shape[1:]}"
        listing.faults.append(f"{where}: '{x}' {none}: leave it out, or save it again")
    if listing.faults:
        return
    if y not in file.arrays:
        listing.no_labels = f"the file has no array '{y}', {shape[0]} integers"
    labels = np.full(shape[0], -1) if y not in file.arrays else file.read(y)
    if labels.shape != shape[:1] or labels.dtype.kind not in "iu":
        got = f"{labels.dtype} of shape {labels.shape}"
        listing.faults.append(f"{where}: '{y}' must be {shape[0]} integers, one for each image, got {got}")
        return
    limit = np.iinfo(np.int64).max if names is None else len(names)
    wrong = np.flatnonzero((labels < -1) | (labels >= limit))
    if len(wrong):
        known = "0 or more" if names is None else f"below {limit}" if limit else "none, since 'classes' is empty"
        listing.faults.append(
            f"{where}: '{y}' row {wrong[0]} is {labels[wrong[0]]}: expected {known}, or -1 for unlabeled "
            f"({len(wrong)} such rows)"
        )
    store = Rows(path, x, listing.where)
    for row, label in enumerate(labels.tolist()):
        name = None if not 0 <= label < limit else str(label) if names is None else names[label]
        listing.items.append(Item(f"row {row}" if x == "x" else f"{x} row {row}", name, store, row))
    listing.classes = names or sort_classes({item.label for item in listing.items if item.label is not None})


def _class_names(file: ArrayFile, where: str, listing: ImageListing) -> tuple[str, ...] | None:
    if "classes" not in file.arrays:
        return None
    shape, dtype = file.header("classes")
    if len(shape) != 1 or dtype.kind != "U":
        listing.faults.append(f"{shown(where)}: 'classes' must be a list of names, got {dtype} of shape {shape}")
        return None
    if dtype.itemsize > _WIDEST:
        many = f"{dtype.itemsize // 4:,} characters: {LONGEST_CLASS} are allowed"
        listing.faults.append(f"{shown(where)}: 'classes' holds names of up to {many}")
        return None
    names = file.read("classes")
    if len(set(names.tolist())) < len(names):
        listing.faults.append(f"{shown(where)}: 'classes' must be a list of different names")
        return None
    listing.faults += [f"{shown(where)}: {fault}" for name in names.tolist() if (fault := class_name_fault(name))]
    return tuple(names.tolist())


def _channels_last(image: NDArray) -> NDArray:
    """(H, W), or (H, W, C) with several channels; a view."""
    if image.ndim == 3 and channel_axis(image.shape) == 0:
        image = image.transpose(1, 2, 0)
    return image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image


def _kept(kind: np.dtype) -> np.dtype:
    """The type of the pixels that are read from an array: floats become 8 bits."""
    return np.dtype(np.uint8) if kind.kind == "f" else kind


def _to_pixels(image: NDArray) -> Content:
    """(H, W) or (H, W, C), of integers."""
    image = _channels_last(image)
    if image.dtype.kind != "f":
        return np.ascontiguousarray(image)
    low, high = float(image.min()), float(image.max())
    if not (low >= 0.0 and high <= 1.0):  # also true of NaN
        return Unreadable(f"holds values from {low:g} to {high:g}: expected [0, 1], or integers")
    return np.rint(image.astype(np.float64) * 255).astype(np.uint8)
