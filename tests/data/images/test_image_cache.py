"""The cache of decoded images: what it takes for the same, what it never trusts, and where it has no room."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tutelage.core import cache_room
from tutelage.core.cache_room import cache_limit, make_room
from tutelage.core.errors import RunError
from tutelage.data.images import image_cache, reader
from tutelage.data.images.image_cache import ImageCache
from tutelage.data.images.items import Files, Item, Unreadable
from tutelage.data.images.pixel_file import read_pixel_file, write_pixel_file
from tutelage.data.images.reader import Decoding, ImageReader
from tutelage.data.images.survey import survey_images

DECODING = Decoding(12, 3)
COUNT = 9


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    """Nine small images, one of which cannot be read."""
    root, draw = tmp_path / "photos", np.random.default_rng(0)
    root.mkdir()
    for number in range(COUNT):
        Image.fromarray(draw.integers(0, 256, (14, 16 + number, 3), np.uint8)).save(root / f"{number}.png")
    (root / "4.png").write_bytes(b"no image")
    return [Item(f"{number}.png", None, Files(root), f"{number}.png") for number in range(COUNT)]


def read(items: list[Item], cache: ImageCache | None) -> tuple[ImageReader, NDArray[np.uint8]]:
    made = ImageReader(cache=cache)
    looks, pixels = made.read(items, DECODING)
    assert [isinstance(look, Unreadable) for look in looks] == [number == 4 for number in range(COUNT)]
    assert looks == survey_images(items)
    return made, pixels


def test_images_are_decoded_once(items: list[Item], cache: ImageCache) -> None:
    plain = read(items, None)[1]
    first, pixels = read(items, cache)
    again, mapped = read(items, cache)
    assert (first.rows, first.found, again.rows, again.found) == (COUNT, 0, 0, COUNT - 1)
    assert isinstance(pixels, np.memmap) and isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(pixels, plain)
    np.testing.assert_array_equal(mapped, plain)
    assert first.said() == "9 images read and decoded in 0 s, their pixels are kept in the cache for later commands"
    assert again.said() == "the pixels of 8 images come from the cache"
    assert ImageReader().said() is None
    assert ImageReader(cache=cache).headers(items) == survey_images(items)  # nothing is opened: digests are known


def test_what_they_are_is_known_after_a_survey(
    items: list[Item], cache: ImageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = ImageReader(cache=cache).survey(items)
    monkeypatch.setattr(reader, "survey_images", lambda *given, **words: pytest.fail("surveyed again"))
    assert ImageReader(cache=cache).survey(items) == looks


def change_content(file: Path) -> None:
    """Another content of the same length, with the time of modification set back."""
    before, content = file.stat(), bytearray(file.read_bytes())
    content[-20] ^= 1
    time.sleep(0.02)
    file.write_bytes(bytes(content))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize("change", ["content", "time", "removed", "order", "count", "size", "channels", "framing"])
def test_whatever_changes_the_pixels_or_may_have_changed_them_is_read_again(
    change: str, items: list[Item], cache: ImageCache
) -> None:
    ImageReader(cache=cache).read(items, DECODING)
    file, decoding = Path(items[2].place), DECODING
    if change == "content":
        change_content(file)
    elif change == "time":
        file.touch()
    elif change == "removed":
        file.unlink()
    elif change == "order":
        items.reverse()
    elif change == "count":
        items.pop()
    else:
        other: dict[str, Any] = {"size": 11, "channels": 1, "framing": reader.Framing("squash")}
        decoding = Decoding(**({"size": 12, "channels": 3} | {change: other[change]}))
    made = ImageReader(cache=cache)
    looks, pixels = made.read(items, decoding)
    assert (made.rows, made.found) == (len(items), 0)
    expected = ImageReader().read(items, decoding)
    assert looks == expected[0]
    np.testing.assert_array_equal(pixels, expected[1])


def test_a_file_that_changed_a_moment_ago_may_change_again(
    items: list[Item], cache: ImageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_cache, "DOUBTFUL", 60.0)
    assert cache.key(items) is None
    monkeypatch.setattr(image_cache, "time", type("later", (), {"time_ns": lambda: time.time_ns() + 61 * 10**9}))
    assert cache.key(items) is not None


def damages(content: bytes) -> Iterator[bytes]:
    yield b""
    yield content[: len(content) // 2]
    yield content[:-1]
    yield content + b"x"
    for place in (3, 60, 200, len(content) // 2, len(content) - 5, len(content) - 12):
        yield content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :]


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_a_damaged_cache_is_never_trusted_and_made_anew(items: list[Item], cache: ImageCache, ending: str) -> None:
    plain = read(items, cache)[1].copy()
    [file] = cache.folder.glob(f"*{ending}")
    whole = file.read_bytes()
    for content in damages(whole):
        file.write_bytes(content)
        np.testing.assert_array_equal(read(items, cache)[1], plain)
        assert file.read_bytes()[:128] == whole[:128]
    again = read(items, cache)[0]
    assert (again.rows, again.found) == (0, COUNT - 1)


def test_several_readers_decode_once_and_get_the_same(items: list[Item], cache: ImageCache) -> None:
    made = [ImageReader(cache=ImageCache(cache.folder)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: one.read(items, DECODING)[1], made))
    assert sorted(one.rows for one in made) == [0, 0, 0, COUNT]
    for pixels in found[1:]:
        np.testing.assert_array_equal(pixels, found[0])


def full(error: int) -> Any:
    def write(*given: Any) -> None:
        next(given[1])  # some rows have been decoded by then
        raise OSError(error, os.strerror(error))

    return write


def test_where_the_cache_cannot_be_written_pixels_stay_in_memory(
    items: list[Item], cache: ImageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = read(items, None)[1]
    monkeypatch.setattr(image_cache, "write_pixel_file", full(errno.ENOSPC))
    pixels = read(items, cache)[1]
    assert not isinstance(pixels, np.memmap)
    np.testing.assert_array_equal(pixels, plain)
    with pytest.raises(RunError, match="allows 0 in memory, and the cache cannot be written: No space"):
        ImageReader(cache=cache, limit=0).read(items, DECODING)
    (blocked := cache.folder.with_name("file")).write_text("")
    np.testing.assert_array_equal(read(items, ImageCache(blocked / "below"))[1], plain)
    monkeypatch.setenv(cache_room.LIMIT, "0")
    np.testing.assert_array_equal(read(items, cache)[1], plain)
    with pytest.raises(RunError, match="and the cache has no room for them"):
        ImageReader(cache=cache, limit=0).read(items, DECODING)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    file.with_name(f"a.npy.tmp-{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_pixel_file(file, iter([np.zeros((3, 400, 400), np.uint8)]), (1, 3, 400, 400))
    assert not list(tmp_path.iterdir())


def test_fewer_rows_than_were_announced_are_a_smaller_array(tmp_path: Path) -> None:
    rows = np.arange(5 * 12, dtype=np.uint8).reshape(5, 3, 2, 2)
    written = write_pixel_file(tmp_path / "a.npy", iter(rows), (900, 3, 2, 2))
    np.testing.assert_array_equal(written, rows)
    np.testing.assert_array_equal(read_pixel_file(tmp_path / "a.npy", (3, 2, 2)), rows)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), rows)  # it is an ordinary file of NumPy
    assert len(write_pixel_file(tmp_path / "b.npy", iter(()), (4, 3, 2, 2))) == 0
    empty = read_pixel_file(tmp_path / "b.npy", (3, 2, 2))
    assert empty is not None and empty.shape == (0, 3, 2, 2)
    assert read_pixel_file(tmp_path / "none.npy", (3, 2, 2)) is None
    assert read_pixel_file(tmp_path / "a.npy", (3, 4, 1)) is None and not (tmp_path / "a.npy").exists()


def test_few_images_and_images_without_files_are_not_kept(items: list[Item], tmp_path: Path) -> None:
    assert ImageCache(tmp_path / "new").key(items) is None
    read(items, ImageCache(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def sized(folder: Path, name: str, size: int, age: float) -> Path:
    file = folder / f"{name.encode().hex():0>32}.npy"
    file.write_bytes(bytes(size))
    os.utime(file, (time.time() - age,) * 2)
    return file


def test_what_was_not_used_for_longest_makes_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache_room.LIMIT, "1e-6")  # 1,000 bytes
    assert cache_limit() == 1000
    oldest = sized(tmp_path, "oldest", 400, 9e5)
    older = sized(tmp_path, "older", 300, 8e5)
    fresh = sized(tmp_path, "fresh", 200, 10)
    assert make_room(tmp_path, 100) and oldest.exists()
    assert make_room(tmp_path, 300) and not oldest.exists() and older.exists()
    assert not make_room(tmp_path, 900) and older.exists() and fresh.exists()  # it would not suffice
    assert make_room(tmp_path, 800) and not older.exists() and fresh.exists()


def test_a_disk_stays_free_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = sized(tmp_path, "old", 500, 9e5)
    disk = type("disk", (), {"total": 10_000, "free": 900})
    monkeypatch.setattr(cache_room.shutil, "disk_usage", lambda folder: disk)
    assert make_room(tmp_path, 400) and old.exists()
    assert make_room(tmp_path, 800) and not old.exists()
    assert not make_room(tmp_path, 500)


@pytest.mark.parametrize(("text", "limit"), [("3", 3 * 10**9), ("-1", 0), ("x", 50 * 10**9)])
def test_the_limit_is_a_number_of_gigabytes(text: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache_room.LIMIT, text)
    assert cache_limit() == limit
