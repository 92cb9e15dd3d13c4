import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.core.errors import DataError
from tutelage.data.images.arrays import list_digits
from tutelage.data.images.image_set import decode
from tutelage.data.images.items import Files, Item, Unreadable
from tutelage.data.images.shards import list_shards
from tutelage.data.images.survey import ImageLook, read_pixels, survey_images

DATA = Path(os.environ.get("TUTELAGE_DATA") or Path(__file__).parents[4] / "shared" / "data")
DIGITS = list_digits()["test"]


def write_items(root: Path, count: int) -> list[Item]:
    """Digits as PNG files of growing size, with labels a and b in turn."""
    contents = DIGITS.items[0].store.read(list(range(count)))
    for number, content in enumerate(contents):
        assert isinstance(content, np.ndarray)
        Image.fromarray(content).resize((8 + number, 9 + number)).save(root / f"{number}.png")
    return [Item(f"{number}.png", "ab"[number % 2], Files(root), f"{number}.png") for number in range(count)]


def test_images_labels_and_names_lie_in_the_order_of_the_items(tmp_path: Path) -> None:
    items = write_items(tmp_path, 5)
    items[3] = Item(items[3].name, None, items[3].store, items[3].key)
    images = decode(items, ("a", "b"), size=8, channels=1)
    assert images.images.shape == (5, 1, 8, 8)
    assert images.images.dtype == np.uint8
    assert images.labels.tolist() == [0, 1, 0, -1, 0]
    assert images.names == [f"{number}.png" for number in range(5)]
    for number in range(5):
        np.testing.assert_array_equal(
            decode([items[number]], ("a", "b"), size=8, channels=1).images[0], images.images[number]
        )


def test_arrays_of_the_wanted_size_come_through_unchanged() -> None:
    images = decode(DIGITS.items, DIGITS.classes, size=8, channels=1)
    contents = DIGITS.items[0].store.read([item.key for item in DIGITS.items])
    np.testing.assert_array_equal(images.images[:, 0], np.stack([c for c in contents if isinstance(c, np.ndarray)]))


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    items = write_items(tmp_path, 80)
    (tmp_path / "7.png").write_bytes(b"no image")
    one = list(read_pixels(items, size=12, channels=3, workers=1))
    four = list(read_pixels(items, size=12, channels=3, workers=4))
    assert [isinstance(pixels, Unreadable) for pixels in one] == [number == 7 for number in range(80)]
    for a, b in zip(one, four, strict=True):
        if not isinstance(a, Unreadable):
            np.testing.assert_array_equal(a, b)
    assert survey_images(items, workers=1) == survey_images(items, workers=3)


def test_a_survey_tells_size_mode_and_a_hash_of_the_bytes(tmp_path: Path) -> None:
    items = write_items(tmp_path, 2)
    shutil.copy(tmp_path / "1.png", tmp_path / "0.png")
    first, second = survey_images(items)
    assert isinstance(first, ImageLook)
    assert (first.size, first.mode) == ((9, 10), "L")
    assert first == second


def test_all_unreadable_images_are_named_at_once(tmp_path: Path) -> None:
    items = write_items(tmp_path, 6)
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:50])
    (tmp_path / "4.png").unlink()
    with pytest.raises(DataError) as error:
        decode(items, ("a", "b"), size=8, channels=1)
    assert [fault.split(".png ")[0][-1] for fault in error.value.faults] == ["1", "3", "4"]
    assert "is empty" in error.value.faults[0]
    assert "cannot be decoded" in error.value.faults[1]
    assert "does not exist" in error.value.faults[2]


def test_a_label_that_is_no_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'b' is not a class"):
        decode(write_items(tmp_path, 2), ("a",), size=8, channels=1)


def test_real_photos_decode_from_a_shard() -> None:
    shard = DATA / "cifar10" / "test-0000.tar.gz"
    if not shard.exists():
        pytest.skip("CIFAR-10 shards are not here: set TUTELAGE_DATA to the folder that holds cifar10/")
    listing = list_shards([shard], "cifar10")
    images = decode(listing.items[::10], listing.classes, size=32, channels=3)
    assert images.images.shape == (500, 3, 32, 32)
    assert 100 < images.images.mean() < 140  # of CIFAR-10 it is about 121
    blue_minus_red = images.images[:, 2].mean((1, 2)) - images.images[:, 0].mean((1, 2))
    by_class = [blue_minus_red[images.labels == number].mean() for number in range(10)]
    assert by_class[listing.classes.index("airplane")] > by_class[listing.classes.index("frog")]  # sky against moss
