"""Images that Python code hands over: what is taken, in which order, and what is refused and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tutelage.core.errors import DataError
from tutelage.data.images.given import list_given
from tutelage.data.images.items import Unreadable
from tutelage.data.images.survey import read_pixels

PHOTO = np.random.default_rng(0).integers(0, 256, (10, 12, 3), np.uint8)


def pixels(images: object, *, channels: int = 3, size: int = 8) -> np.ndarray:
    """(N, C, size, size): what a model of that size would see."""
    items = list_given(images)  # type: ignore[arg-type]
    return np.stack([np.asarray(one) for one in read_pixels(items, size=size, channels=channels)])


def test_a_file_its_image_and_its_array_are_the_same_pixels(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.fromarray(PHOTO).save(file)
    expected = pixels(file)
    for images in (str(file), [file], Image.open(file), [Image.open(file)], PHOTO, [PHOTO], PHOTO[None]):
        np.testing.assert_array_equal(pixels(images), expected)


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "float16"])
@pytest.mark.parametrize("first", [True, False], ids=["channels first", "channels last"])
def test_arrays_and_tensors_of_either_order_and_type_are_the_same_pixels(kind: str, first: bool) -> None:
    array = PHOTO if kind == "uint8" else (PHOTO / np.float64(255)).astype(kind)
    array = np.ascontiguousarray(array.transpose(2, 0, 1)) if first else array
    for one in (array, array[None], torch.from_numpy(array), torch.from_numpy(array)[None], [array]):
        np.testing.assert_array_equal(pixels(one), pixels(PHOTO))


def test_gray_arrays_and_those_with_transparency_are_taken() -> None:
    gray = PHOTO[:, :, 0]
    expected = pixels(Image.fromarray(gray), channels=1)
    for one in (gray, gray[None], gray[:, :, None], gray[None, None], gray[None, :, :, None], gray / 255.0):
        np.testing.assert_array_equal(pixels(one, channels=1), expected)
    clear = np.dstack([PHOTO, np.zeros((10, 12), np.uint8)])  # composited over white
    assert (pixels(clear) == 255).all()
    np.testing.assert_array_equal(pixels(clear), pixels(Image.fromarray(clear)))


def test_an_image_in_memory_is_turned_upright_and_not_changed(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PHOTO).save(file, exif=exif)
    given = Image.open(file)
    np.testing.assert_array_equal(pixels(given), pixels(file))
    assert not np.array_equal(pixels(given), pixels(PHOTO))
    assert given.size == (12, 10) and given.mode == "RGB"


def test_names_and_order_are_those_of_the_list(tmp_path: Path) -> None:
    file = tmp_path / "b.png"
    Image.fromarray(PHOTO).save(file)
    assert [item.name for item in list_given([PHOTO, file, Image.fromarray(PHOTO)])] == [
        "image 0",
        str(file),
        "image 2",
    ]
    assert [item.name for item in list_given(np.stack([PHOTO, PHOTO]))] == ["image 0", "image 1"]
    assert [item.name for item in list_given(np.array([str(file), "gone.png"]))] == [str(file), "gone.png"]


def test_a_file_that_is_not_there_is_said_in_its_place(tmp_path: Path) -> None:
    found = list(read_pixels(list_given([PHOTO, tmp_path / "gone.png", PHOTO]), size=8, channels=3))
    assert isinstance(found[1], Unreadable) and found[1].reason == "does not exist"
    assert isinstance(found[0], np.ndarray) and isinstance(found[2], np.ndarray)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            np.zeros((3, 20, 3), np.uint8),
            r"the array .* shape \(3, 20, 3\), in which channels may come first or last",
        ),
        (np.zeros((5, 4, 9, 4), np.uint8), "in which channels may come first or last"),
        (np.zeros((20, 28, 28), np.uint8), r"no axis of 1, 3 or 4 channels: several gray images are \(N, H, W, 1\)"),
        (np.zeros((2, 20, 28, 28), np.uint8), "no axis of 1, 3 or 4 channels: expected"),
        (np.zeros(7, np.uint8), r"has the shape \(7,\): expected \(H, W\)"),
        (np.zeros((0, 8, 8, 3), np.uint8), "is empty"),
        (np.zeros((8, 8, 3), np.int64), r"of type int64: expected uint8 in \[0, 255\], or floating point"),
        (np.zeros((8, 8, 3), bool), "of type bool"),
        (np.full((8, 8, 3), 200.0), r"values from 200 to 200: floating point must be in \[0, 1\]; divide by 255"),
        (np.full((8, 8, 3), -1.0), "pass images before they are standardized"),
        (np.full((8, 8, 3), np.nan), "values from nan to nan"),
        ([np.zeros((2, 8, 8, 3), np.uint8)], "image 0 of the list is a batch of 2 images"),
        ([], "the list is empty"),
        ([3], "image 0 is of type int: expected a path, a PIL image"),
        ({"a": 1}, "images of type dict cannot be read"),
        (3, "images of type int cannot be read"),
    ],
)
def test_what_is_ambiguous_or_out_of_range_is_refused(images: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list_given(images)  # type: ignore[arg-type]


def test_a_folder_is_passed_alone(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder: pass it alone, not in a list"):
        list_given([tmp_path])
