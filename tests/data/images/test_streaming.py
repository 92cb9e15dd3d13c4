"""How much of large pools is read before training."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tutelage.config.data import DataConfig
from tutelage.core.errors import ConfigError, DataError
from tutelage.data.images import streaming
from tutelage.data.images.dataset import load_images
from tutelage.data.images.image_cache import ImageCache
from tutelage.data.images.inventory import take_image_inventory
from tutelage.data.images.reader import ImageReader
from tutelage.data.images.streamed import StreamedImages

from .test_shards import samples, write_shard

COUNT = 60


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """60 images, 8 of which have a label."""
    root, draw = tmp_path / "photos", np.random.default_rng(0)
    root.mkdir()
    for number in range(COUNT):
        Image.fromarray(draw.integers(0, 256, (14, 16, 3), np.uint8)).save(root / f"{number:02}.png")
    rows = [f"{number:02}.png,{'ab'[number % 2]}" for number in range(0, 24, 3)]
    (root / "labels.csv").write_text("\n".join(["path,label", *rows]))
    return root


def config(photos: Path, **given: Any) -> DataConfig:
    return DataConfig(path=str(photos), **given)


def test_a_streamed_set_is_the_decoded_one(photos: Path) -> None:
    plain = load_images(config(photos, stream="never"), seed=0)
    streamed = load_images(config(photos, stream="always"), seed=0)
    assert isinstance(streamed.train.images, StreamedImages) and isinstance(plain.train.images, np.ndarray)
    np.testing.assert_array_equal(streamed.train.images[:], plain.train.images)
    for name in ("labeled_rows", "unlabeled_rows", "hidden_labels"):
        np.testing.assert_array_equal(getattr(streamed, name), getattr(plain, name))
    np.testing.assert_array_equal(streamed.train.labels, plain.train.labels)
    assert streamed.train.names == plain.train.names
    assert "images are decoded each time they are used (data.stream)" in streamed.notes
    assert [note for note in streamed.notes if "data.stream" not in note] == plain.notes


def test_validation_images_are_held_out_of_a_stream_alike(photos: Path) -> None:
    many = [f"{number:02}.png,{'ab'[number % 2]}" for number in range(58)]
    (photos / "labels.csv").write_text("\n".join(["path,label", *many]))
    (photos / "59.png").write_bytes((photos / "00.png").read_bytes())
    both = [
        load_images(config(photos, stream=s, val_share=0.3, exclude_labeled=True), seed=1) for s in ("never", "always")
    ]
    for data in both:
        assert data.val is not None
        np.testing.assert_array_equal(data.val.rows, both[0].val.rows)  # type: ignore[union-attr]
        np.testing.assert_array_equal(data.labeled_rows, both[0].labeled_rows)
    # copies of labeled images in the rest of the pool are not known before they are read
    assert set(both[1].unlabeled_rows) - set(both[0].unlabeled_rows) <= {59}


def test_a_labeled_image_that_cannot_be_read_is_found_before_training(photos: Path) -> None:
    (photos / "03.png").write_bytes((photos / "03.png").read_bytes()[:80])
    with pytest.raises(DataError, match=r"03\.png"):
        load_images(config(photos, stream="always"), seed=0)
    data = load_images(config(photos, stream="always", skip_unreadable=True), seed=0)
    assert 3 not in data.labeled_rows and any("left out" in note and "03.png" in note for note in data.notes)


def test_pools_are_streamed_that_are_large_or_have_no_room(
    photos: Path, cache: ImageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def streams(reader: ImageReader, **given: Any) -> bool:
        return isinstance(load_images(config(photos, **given), seed=0, reader=reader).train.images, StreamedImages)

    no_room = ImageReader(limit=0)
    monkeypatch.setattr("tutelage.data.images.reader._WORTH_KEEPING", 1000)
    assert not streams(ImageReader())
    assert streams(no_room)
    assert not streams(ImageReader(cache=cache, limit=0))
    monkeypatch.setattr(streaming, "LARGE", 1000)
    assert not streams(ImageReader(cache=cache))  # it is decoded already
    assert streams(ImageReader(cache=cache), image_size=8)
    assert streams(ImageReader())
    assert not streams(ImageReader(), stream="never")


def test_the_reason_says_how_large_they_would_be(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "LARGE", 1000)
    notes = load_images(config(photos), seed=0).notes
    assert (
        "decoded, the 60 training images would take 1 GB: they are decoded each time they are used (data.stream)"
        in notes
    )


def test_what_cannot_be_read_at_any_place_is_not_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = write_shard(tmp_path / "a.tar", samples(12))
    packed = tmp_path / "packed.tar.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    monkeypatch.setattr(streaming, "LARGE", 0)
    assert isinstance(load_images(config(plain), seed=0).train.images, StreamedImages)
    for source in (packed, Path("digits")):
        assert isinstance(load_images(config(source), seed=0).train.images, np.ndarray)
        with pytest.raises(ConfigError, match="needs image files or tar shards that are not compressed, got"):
            load_images(config(source, stream="always"), seed=0)


def test_the_headers_of_some_tell_the_size_of_all(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "MANY", 50)
    monkeypatch.setattr(streaming, "SOME", 10)
    inventory = take_image_inventory(config(photos, stream="always"), decode=True)
    assert [look.seen for look in inventory.parts["train"].looks].count(True) == 10
    assert inventory.facts()["train"]["images"] == COUNT and inventory.facts()["train"]["side"] == 14
    data = load_images(config(photos, stream="always"), seed=0)
    assert data.image_size == 14 and data.channels == 3


def test_unlabeled_images_are_drawn_by_their_names(photos: Path) -> None:
    drawn = [load_images(config(photos, unlabeled_count=20), seed=seed) for seed in (0, 1)]
    whole = load_images(config(photos), seed=0)
    for data in drawn:
        assert len(data.train) == 28 and len(data.labeled_rows) == 8
        assert data.train.names == drawn[0].train.names
        assert "20 of 52 unlabeled images are used (data.unlabeled_count), drawn by their names" in data.notes
        for row, name in enumerate(data.train.names):
            place = whole.train.names.index(name)
            assert data.train.labels[row] == whole.train.labels[place]
            np.testing.assert_array_equal(data.train.images[row], whole.train.images[place])
    fewer = load_images(config(photos, unlabeled_count=10), seed=0)
    assert set(fewer.train.names) < set(drawn[0].train.names)


@pytest.mark.parametrize("balance", ["balanced", "proportional"])
def test_the_labels_of_a_seed_are_kept_whatever_else_is_left_out(photos: Path, balance: str) -> None:
    labels = [f"{number:02}.png,{'aab'[number % 3]}" for number in range(COUNT)]
    (photos / "labels.csv").write_text("\n".join(["path,label", *labels]))
    given: dict[str, Any] = {"label_count": 9, "label_balance": balance, "val_share": 0.0}
    whole = load_images(config(photos, **given), seed=3)
    part = load_images(config(photos, unlabeled_count=5, **given), seed=3)
    assert len(part.train) == 14
    assert [part.train.names[row] for row in part.labeled_rows] == [
        whole.train.names[row] for row in whole.labeled_rows
    ]


def test_more_than_there_are_is_all(photos: Path) -> None:
    assert len(load_images(config(photos, unlabeled_count=500), seed=0).train) == COUNT
    with pytest.raises(ConfigError, match="unlabeled_count must be at least 1"):
        config(photos, unlabeled_count=0)


def test_methods_that_learn_from_labels_alone_decode_no_other_images(photos: Path, cache: ImageCache) -> None:
    whole = load_images(config(photos), seed=0)
    reader = ImageReader(cache=cache)
    alone = load_images(config(photos), seed=0, reader=reader, uses_unlabeled=False)
    assert isinstance(alone.train.images, StreamedImages) and reader.rows == 8
    assert alone.fingerprint == whole.fingerprint and alone.facts == whole.facts
    assert "only images whose label is used are decoded" in alone.notes
    rows = alone.labeled_rows
    np.testing.assert_array_equal(alone.train.images[rows], whole.train.images[rows])
    np.testing.assert_array_equal(rows, whole.labeled_rows)
    fewer = load_images(config(photos, label_count=4), seed=0, reader=ImageReader(), uses_unlabeled=False)
    assert isinstance(fewer.train.images, StreamedImages) and len(fewer.labeled_rows) == 4


def test_where_all_images_have_a_label_they_are_decoded_at_once(photos: Path) -> None:
    labels = [f"{number:02}.png,{'ab'[number % 2]}" for number in range(COUNT)]
    (photos / "labels.csv").write_text("\n".join(["path,label", *labels]))
    data = load_images(config(photos), seed=0, uses_unlabeled=False)
    assert isinstance(data.train.images, np.ndarray)
