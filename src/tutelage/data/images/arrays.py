"""Images as arrays: `.npz` files with `x` and `y`, and the digits that come with the package."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.config.data import MOST_CHANNELS
from tutelage.core.memory import DEFLATE, memory_fault, size_text
from tutelage.core.names import class_name_fault, first_of, shown
from tutelage.core.regular import open_regular
from tutelage.core.third_party import said_by
from tutelage.data.images.channels import channel_axis
from tutelage.data.images.items import Content, ImageListing, Item, Stamp, Store, Unreadable, sort_classes

DIGITS = Path(__file__).with_name("digits.npz")
_SPLITS = {"train": ("x", "y"), "val": ("x_val", "y_val"), "test": ("x_test", "y_test")}
_KNOWN = {"classes", *(name for pair in _SPLITS.values() for name in pair)}
_ROW = 300  # bytes of what is kept of each image


class Rows(Store):
    """One array of images in a `.npz` file; keys are row numbers."""

    def __init__(self, path: Path, array: str, where: str) -> None:
        self.path, self.array, self.where = path, array, where

    def read(self, keys: Sequence[int]) -> Iterator[Content]:
        try:
            with open_regular(self.path) as stream, np.load(stream, allow_pickle=False) as file:
                images = file[self.array]
        except Exception as error:  # damaged zip files and headers make NumPy raise almost anything
            yield from (Unreadable(f"cannot be read: {said_by(error)}") for _ in keys)
            return
        yield from (_to_pixels(images[key]) for key in keys)

    def read_headers(self, keys: Sequence[int]) -> Iterator[Content]:
        """Arrays of the right shape that take no memory; the shape comes from the header of the file."""
        try:
            with open_regular(self.path) as stream, np.load(stream, allow_pickle=False) as file:
                shape, kind = _header(file, self.array)
        except Exception as error:
            yield from (Unreadable(f"cannot be read: {said_by(error)}") for _ in keys)
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
        with open_regular(path) as stream:
            file = np.load(stream, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("it is a single array: save it with numpy.savez(file, x=..., y=...)")
            if "x" not in file.files:
                got = ", ".join(file.files) or "nothing"
                train.faults.append(f"{shown(where)}: no array 'x' of images; the file holds {shown(got)}")
            if others := sorted(set(file.files) - _KNOWN):
                known = ", ".join(sorted(_KNOWN))
                train.warnings.append(f"{shown(where)}: arrays that are not used: {first_of(others)} (known: {known})")
            for array in file.files:
                _check_claim(file, array, path.stat().st_size)
            names = _class_names(file, where, train)
            for split, (x, y) in _SPLITS.items():
                if x in file.files:
                    listing = listings.setdefault(split, ImageListing(".npz arrays", where))
                    _fill(listing, file, x, y, path, names)
    except Exception as error:  # as above
        train.faults.append(f"{shown(where)} is not a readable .npz file: {said_by(error)}")
    return listings


def _fill(
    listing: ImageListing, file: np.lib.npyio.NpzFile, x: str, y: str, path: Path, names: tuple[str, ...] | None
) -> None:
    where = shown(listing.where)
    shape, dtype = _header(file, x)
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
    labels = np.full(shape[0], -1) if y not in file.files else file[y]
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


def _check_claim(file: np.lib.npyio.NpzFile, array: str, present: int) -> None:
    """Compare the size that the header of an array claims with the bytes that are there, before memory is taken.

    Raises:
        ValueError: it cannot be there, or would take too much memory.
    """
    shape, dtype = _header(file, array)
    info = file.zip.getinfo(f"{array}.npy")  # type: ignore[union-attr]
    most, needed = min(info.file_size, DEFLATE * min(info.compress_size, present)), math.prod(shape) * dtype.itemsize
    if needed > most:
        raise ValueError(
            f"'{array}' claims the shape {shape} ({size_text(needed)}), of which {size_text(most)} are there"
        )
    if (fault := memory_fault(2 * needed + _ROW * max(shape[:1], default=0), present)) is not None:
        raise ValueError(f"'{array}' of shape {shape} {fault}")


def _header(file: np.lib.npyio.NpzFile, array: str) -> tuple[tuple[int, ...], np.dtype]:
    with file.zip.open(f"{array}.npy") as stream:  # type: ignore[union-attr]
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        return shape, dtype


def _class_names(file: np.lib.npyio.NpzFile, where: str, listing: ImageListing) -> tuple[str, ...] | None:
    if "classes" not in file.files:
        return None
    names = file["classes"]
    if names.ndim != 1 or names.dtype.kind != "U" or len(set(names.tolist())) < len(names):
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
