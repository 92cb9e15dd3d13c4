"""Images as scikit-learn hands them over: arrays, rows of pixels, and paths."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from tutelage.core.inputs import real_path, user_path
from tutelage.core.names import shown

_SHAPES = "(N, H, W), (N, H, W, C) or (N, C, H, W), or paths"


@dataclass(frozen=True)
class GivenPixels:
    """Images as one array: (N, H, W), (N, H, W, C) or (N, C, H, W) uint8."""

    array: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.array)

    def chosen(self, rows: NDArray[np.intp]) -> GivenPixels:
        """The images in these rows."""
        return GivenPixels(self.array[rows])

    def one_by_one(self) -> list[Any]:
        """The images as `Model.predict` takes them."""
        return list(self.array)

    def write(self, folder: Path, codes: NDArray[np.int64], names: Sequence[str]) -> tuple[Path, None]:
        """A source to train on, in `folder`, and its labels, which it holds itself.

        Args:
            codes: (N,) places in `names`, -1 for unlabeled.
        """
        file = folder / "images.npz"
        np.savez(file, x=self.array, y=codes, classes=np.array(names, dtype=np.str_))
        return file, None


@dataclass(frozen=True)
class GivenPaths:
    """Images as paths of files."""

    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def chosen(self, rows: NDArray[np.intp]) -> GivenPaths:
        """The images in these rows."""
        return GivenPaths(tuple(self.paths[row] for row in rows))

    def one_by_one(self) -> list[Any]:
        """The images as `Model.predict` takes them."""
        return list(self.paths)

    def write(self, folder: Path, codes: NDArray[np.int64], names: Sequence[str]) -> tuple[Path, dict[str, str]]:
        """A source to train on, in `folder`, and its labels by path; see `GivenPixels.write`."""
        source = folder / "images"
        source.mkdir()
        digits, table = len(str(len(self.paths))), {}
        for number, (path, code) in enumerate(zip(self.paths, codes.tolist(), strict=True)):
            name = f"{number:0{digits}}{Path(path).suffix}"
            _link(real_path(user_path(path)), source / name)
            table[name] = names[code] if code >= 0 else ""
        return source, table


GivenImages = GivenPixels | GivenPaths


def images_of(estimator: Any, X: Any, image_shape: tuple[int, ...] | None, *, reset: bool) -> GivenImages:
    """The images in `X`.

    Args:
        estimator: remembers the number of pixels of a row, if `X` has rows.
        image_shape: of the image in each row; None if `X` has images or paths.
        reset: whether this is `fit`.

    Raises:
        ValueError: `X` has another shape, type or range, is empty, or names a file that does not exist.
    """
    if (paths := _paths_in(X)) is not None:
        missing = [path for path in paths if not Path(path).expanduser().is_file()]
        if missing:
            raise ValueError(f"X names {len(missing)} files that do not exist; the first is {shown(missing[0])}")
        return GivenPaths(paths)
    if image_shape is None:
        array = check_array(X, allow_nd=True, ensure_2d=False, dtype=None, input_name="X", estimator=estimator)
        if array.ndim not in (3, 4):
            hint = "; set image_shape if X has one image per row. Reshape your data" if array.ndim == 2 else ""
            raise ValueError(f"X has the shape {array.shape}: expected {_SHAPES}{hint}")
        return GivenPixels(as_bytes(array))
    rows = validate_data(estimator, X, reset=reset)
    if rows.shape[1] != int(np.prod(image_shape)):
        raise ValueError(f"X has {rows.shape[1]} features: image_shape={tuple(image_shape)} has {np.prod(image_shape)}")
    return GivenPixels(as_bytes(rows).reshape(-1, *image_shape))


def as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """uint8 in [0, 255].

    Raises:
        ValueError: the values are neither integers in [0, 255] nor floating point in [0, 1].
    """
    if array.dtype == np.uint8:
        return array
    whole = array.dtype.kind in "iu"
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if not whole and array.dtype.kind != "f":
        raise ValueError(f"X is of type {array.dtype}: expected uint8 in [0, 255], or floating point in [0, 1]")
    low, high, most = float(array.min()), float(array.max()), 255 if whole else 1
    if low < 0 or high > most:
        kind = "integers" if whole else "floating point"
        raise ValueError(f"X holds values from {low:g} to {high:g}: {kind} must be in [0, {most}]")
    return (array if whole else np.rint(array.astype(np.float64) * 255.0)).astype(np.uint8)


def _paths_in(X: Any) -> tuple[str, ...] | None:
    """The paths that `X` holds; None if it holds something else."""
    if isinstance(X, str | os.PathLike):
        raise ValueError(f"X is one path, {shown(os.fspath(X))}: expected a list of paths, or an array of images")
    values = getattr(X, "values", X)
    listed = list(values) if isinstance(values, list | tuple) or getattr(values, "ndim", 0) == 1 else []
    if not listed or not all(isinstance(one, str | os.PathLike) for one in listed):
        return None
    return tuple(os.fspath(one) for one in listed)


def _link(file: Path, link: Path) -> None:
    with suppress(OSError, NotImplementedError):  # where links need rights that the user has not
        link.symlink_to(file)
        return
    shutil.copyfile(file, link)
