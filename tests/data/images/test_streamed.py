"""Images that are decoded as they are needed: equal to those decoded before, and named when they are lost."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.core.errors import DataError
from tutelage.data.images.folders import list_all_images
from tutelage.data.images.items import Item
from tutelage.data.images.reader import Decoding, ImageReader
from tutelage.data.images.shards import list_shards
from tutelage.data.images.streamed import StreamedImages, open_stream, stamps_of
from tutelage.data.images.survey import ImageLook, read_headers

from .test_shards import samples, write_shard

DECODING = Decoding(12, 3)
COUNT = 40


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    root, draw = tmp_path / "photos", np.random.default_rng(0)
    root.mkdir()
    for number in range(COUNT):
        Image.fromarray(draw.integers(0, 256, (14, 16, 3), np.uint8)).save(root / f"{number:02}.png")
    return list_all_images(root, "photos").items


def stream(items: list[Item], **given: object) -> StreamedImages:
    return StreamedImages(items, DECODING, stamps=stamps_of(items), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_rows_are_what_an_array_of_all_images_gives(items: list[Item], workers: int) -> None:
    whole = ImageReader().read(items, DECODING)[1]
    images = stream(items, workers=workers)
    assert (images.shape, images.ndim, len(images)) == (whole.shape, 4, COUNT)
    for rows in (np.array([3, 39, 3, 0]), np.arange(COUNT)[::-1], np.zeros(0, np.int64), [5, 5]):
        np.testing.assert_array_equal(images[rows], whole[rows])
    np.testing.assert_array_equal(images[4:30:7], whole[4:30:7])
    np.testing.assert_array_equal(images[-1], whole[-1])
    np.testing.assert_array_equal(np.stack(list(images)), whole)


def test_images_of_shards_are_read_where_they_lie(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / f"{k}.tar", samples(12)) for k in range(3)]
    items = list_shards(shards, "shards").items
    whole = ImageReader().read(items, DECODING)[1]
    rows = np.array([35, 0, 13, 12, 11, 13])
    np.testing.assert_array_equal(stream(items)[rows], whole[rows])


def test_held_rows_are_read_once(items: list[Item]) -> None:
    images, held = stream(items), np.array([2, 7, 30])
    whole = ImageReader().read(items, DECODING)[1]
    images.hold(held, whole[held])
    for row in held:
        Path(items[row].place).unlink()
    rows = np.array([30, 1, 2, 30])
    np.testing.assert_array_equal(images[rows], whole[rows])


LOSSES = {
    "deleted": ("does not exist", lambda file: file.unlink()),
    "truncated": ("is another file than at the start", lambda file: file.write_bytes(file.read_bytes()[:60])),
    "emptied": ("is another file than at the start", lambda file: file.write_bytes(b"")),
    "replaced": ("is another file than at the start", lambda file: Image.new("RGB", (20, 20)).save(file)),
    "a folder": ("is another file than at the start", lambda file: (file.unlink(), file.mkdir())),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_lost_image_is_named(items: list[Item], name: str) -> None:
    images, (reason, lose) = stream(items), LOSSES[name]
    lose(Path(items[3].place))
    with pytest.raises(DataError, match=reason) as caught:
        images[np.array([2, 3])]
    assert caught.value.faults == [f"{items[3].place} {reason}"]
    assert images[np.array([2, 4])].shape == (2, 3, 12, 12)


@pytest.mark.parametrize("name", LOSSES)
def test_a_lost_image_is_replaced_by_another_one_of_the_request(items: list[Item], name: str) -> None:
    told: list[str] = []
    images, (reason, lose) = stream(items, skip=True, tell=told.append), LOSSES[name]
    whole = ImageReader().read(items, DECODING)[1]
    lose(Path(items[3].place))
    for _ in range(2):
        rows, pixels = images.fetch(np.array([9, 3, 1]))
        assert rows.tolist() == [9, 9, 1]
        np.testing.assert_array_equal(pixels, whole[rows])
    assert images.fetch(np.array([3, 1]))[0].tolist() == [1, 1]
    assert told == [f"left out: {items[3].place} {reason}"] and images.lost == {3}
    with pytest.raises(DataError, match=reason):
        images.fetch(np.array([3]))


def test_only_ten_lost_images_are_named(items: list[Item]) -> None:
    told: list[str] = []
    images = stream(items, skip=True, tell=told.append)
    for item in items[:20]:
        Path(item.place).unlink()
    images[np.arange(COUNT)]
    assert len(told) == 10 and told[-1].endswith(", ...") and len(images.lost) == 20


def test_an_image_that_cannot_be_decoded_is_lost(items: list[Item]) -> None:
    Path(items[5].place).write_bytes(b"no image")
    with pytest.raises(DataError, match="is not a readable image"):
        stream(items)[5]


def test_a_touched_file_counts_as_another_one(items: list[Item]) -> None:
    images = stream(items)
    os.utime(items[0].place, ns=(1, 1))
    with pytest.raises(DataError, match="is another file than at the start"):
        images[0]


def test_several_threads_may_ask_at_once(items: list[Item]) -> None:
    images, found = stream(items, workers=2), dict[int, np.ndarray]()
    whole = ImageReader().read(items, DECODING)[1]
    rows = [np.random.default_rng(k).integers(0, COUNT, 30) for k in range(8)]

    def ask(k: int) -> None:
        found[k] = images[rows[k]]

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(8):
        np.testing.assert_array_equal(found[k], whole[rows[k]])


def test_of_images_that_are_not_read_yet_sizes_of_files_are_known(items: list[Item]) -> None:
    headers = read_headers(items)
    headers[1:] = [ImageLook.unseen(0)] * (COUNT - 1)
    looks, images = open_stream(items, headers, DECODING, ImageReader(), skip=False)
    assert len(images) == COUNT
    sizes = [Path(item.place).stat().st_size for item in items]
    assert [int.from_bytes(look.digest) for look in looks if isinstance(look, ImageLook)] == sizes
    assert [look.seen for look in looks if isinstance(look, ImageLook)] == [True] + [False] * (COUNT - 1)
