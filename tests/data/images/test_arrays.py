from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from tutelage.data.images.arrays import list_arrays, list_digits
from tutelage.data.images.items import ImageListing, Unreadable


def save(tmp_path: Path, **arrays: Any) -> Path:
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    return path


def train_of(path: Path) -> ImageListing:
    return list_arrays(path, path.name)["train"]


def contents(listing: ImageListing) -> list[Any]:
    return list(listing.items[0].store.read([item.key for item in listing.items]))


def pixels(*shape: int) -> NDArray[np.uint8]:
    return (np.arange(np.prod(shape)) % 251).astype(np.uint8).reshape(shape)


def test_the_bundled_digits_are_those_of_scikit_learn() -> None:
    digits = load_digits()
    images = np.rint(digits.images * 255 / 16).astype(np.uint8)
    order = np.zeros(len(images), np.int64)  # position of each row within its class
    for label in range(10):
        order[digits.target == label] = np.arange((digits.target == label).sum())
    is_test = order % 5 == 4
    splits = list_digits()
    for split, rows in (("train", ~is_test), ("test", is_test)):
        assert [item.label for item in splits[split].items] == [str(label) for label in digits.target[rows]]
        np.testing.assert_array_equal(np.stack(contents(splits[split])), images[rows])
        assert not splits[split].flip_ok


def test_minus_one_is_unlabeled(tmp_path: Path) -> None:
    listing = train_of(save(tmp_path, x=pixels(3, 5, 4), y=np.array([1, -1, 0], np.int8)))
    assert [(item.name, item.label) for item in listing.items] == [("row 0", "1"), ("row 1", None), ("row 2", "0")]
    assert listing.items[1].place == "data.npz x row 1"
    assert listing.classes == ("0", "1")


def test_labels_may_be_missing(tmp_path: Path) -> None:
    assert [item.label for item in train_of(save(tmp_path, x=pixels(2, 5, 4))).items] == [None, None]


def test_layouts_are_told_apart_by_the_channels(tmp_path: Path) -> None:
    last = pixels(2, 5, 4, 3)
    for layout in (last, last.transpose(0, 3, 1, 2)):
        np.testing.assert_array_equal(np.stack(contents(train_of(save(tmp_path, x=layout)))), last)
    for layout in (pixels(2, 5, 4), pixels(2, 5, 4, 1), pixels(2, 1, 5, 4)):
        np.testing.assert_array_equal(np.stack(contents(train_of(save(tmp_path, x=layout)))), pixels(2, 5, 4))


def test_floats_from_0_to_1_become_gray_levels(tmp_path: Path) -> None:
    image = pixels(2, 5, 4)
    for kind in (np.float16, np.float32, np.float64):
        listing = train_of(save(tmp_path, x=(image / 255).astype(kind)))
        np.testing.assert_array_equal(np.stack(contents(listing)), image)


def test_floats_outside_0_to_1_are_reported_by_row(tmp_path: Path) -> None:
    images = np.zeros((4, 5, 4), np.float32)
    images[1, 0, 0], images[2, 0, 0], images[3, 0, 0] = 1.5, np.nan, -0.1
    results = contents(train_of(save(tmp_path, x=images)))
    assert [isinstance(result, Unreadable) for result in results] == [False, True, True, True]
    assert "expected [0, 1]" in results[1].reason


def test_classes_and_splits_are_read_where_they_are_given(tmp_path: Path) -> None:
    path = save(
        tmp_path,
        x=pixels(2, 4, 4),
        y=np.array([0, 1]),
        classes=np.array(["cat", "dog"]),
        x_val=pixels(1, 4, 4),
        y_val=np.array([1]),
        x_test=pixels(3, 4, 4),
        y_test=np.array([1, 1, 0]),
    )
    splits = list_arrays(path, "data.npz")
    assert {split: [item.label for item in listing.items] for split, listing in splits.items()} == {
        "train": ["cat", "dog"],
        "val": ["dog"],
        "test": ["dog", "dog", "cat"],
    }


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": pixels(2, 4, 4)}, "no array 'x' of images; the file holds images"),
        ({}, "no array 'x' of images; the file holds nothing"),
        ({"x": pixels(2, 4, 4) > 3}, "'x' must be of integers, or of floats in [0, 1], got bool"),
        ({"x": np.full((2, 4, 4), "a")}, "'x' must be of integers, or of floats in [0, 1], got <U1"),
        ({"x": pixels(8, 16)}, "got shape (8, 16)"),
        ({"x": pixels(2, 17, 17, 17)}, "with up to 16 channels, got shape (2, 17, 17, 17)"),
        ({"x": pixels(2, 4, 4), "y": np.array([0, 1, 1])}, "'y' must be 2 integers"),
        ({"x": pixels(2, 4, 4), "y": np.array([0.0, 1.0])}, "'y' must be 2 integers"),
        ({"x": pixels(2, 4, 4), "y": np.array([0, -2])}, "'y' row 1 is -2"),
        ({"x": pixels(2, 4, 4), "y": np.array([0, 2]), "classes": np.array(["a", "b"])}, "'y' row 1 is 2"),
        ({"x": pixels(2, 4, 4), "classes": np.array(["a", "a"])}, "'classes' must be a list of different names"),
        ({"x": pixels(2, 4, 4), "y": np.array([None, 1], object)}, "'y' holds Python objects"),
    ],
)
def test_each_fault_of_arrays_is_one_sentence(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = save(tmp_path, **arrays)
    faults = train_of(path).faults
    assert len(faults) == 1
    assert faults[0].startswith("data.npz")
    assert message in faults[0]


def test_a_file_that_is_no_npz_is_a_fault(tmp_path: Path) -> None:
    whole = save(tmp_path, x=pixels(2, 40, 40), y=np.array([0, 1])).read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2]):
        (tmp_path / "data.npz").write_bytes(content)
        said = "is not a readable .npz file" if content else "is empty (0 bytes)"
        assert said in train_of(tmp_path / "data.npz").faults[0]
    np.save(tmp_path / "one.npy", pixels(2, 4, 4))
    (tmp_path / "one.npy").rename(tmp_path / "data.npz")
    assert "single array" in train_of(tmp_path / "data.npz").faults[0]


def test_damaged_files_never_raise(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    whole = save(tmp_path, x=pixels(4, 8, 8), y=np.array([0, 1, 0, 1])).read_bytes()
    for _ in range(300):
        damaged = bytearray(whole[: noise.integers(1, len(whole) + 1)] if noise.random() < 0.2 else whole)
        for position in noise.integers(0, len(damaged), 3):
            damaged[position] = noise.integers(256)
        (tmp_path / "data.npz").write_bytes(damaged)
        for listing in list_arrays(tmp_path / "data.npz", "data.npz").values():
            assert all(fault.isprintable() for fault in listing.faults)
            if listing.items:
                assert len(contents(listing)) == len(listing.items)


def test_damaged_pixels_are_unreadable_not_wrong(tmp_path: Path) -> None:
    path = save(tmp_path, x=pixels(2, 40, 40))
    listing = train_of(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert all(isinstance(result, Unreadable) for result in contents(listing))
