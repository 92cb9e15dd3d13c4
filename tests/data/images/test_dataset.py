import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.config.data import DataConfig
from tutelage.core.errors import DataError
from tutelage.data.images.arrays import DIGITS, list_digits
from tutelage.data.images.dataset import ImageDataset, load_images
from tutelage.data.images.image_cache import ImageCache
from tutelage.data.images.inventory import take_image_inventory
from tutelage.data.images.reader import ImageReader

pytestmark = pytest.mark.usefixtures("by_flags")

DATA = Path(os.environ.get("TUTELAGE_DATA") or Path(__file__).parents[4] / "shared" / "data")
TRUE_LABELS = np.array([int(item.label or -1) for item in list_digits()["train"].items])


def digits(seed: int = 0, label_count: int | None = None, exclude_labeled: bool = False) -> ImageDataset:
    return load_images(DataConfig(path="digits", label_count=label_count, exclude_labeled=exclude_labeled), seed=seed)


def write_folder(root: Path, size: tuple[int, int] = (8, 8), mode: str = "L") -> Path:
    with np.load(DIGITS) as file:
        images, labels = file["x"][:40], file["y"][:40]
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = root / str(label % 2) / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).resize(size).convert(mode).save(path)
    return root


def test_digits_load_with_a_held_out_part_and_a_test_set() -> None:
    data = digits()
    assert data.classes == tuple("0123456789")
    assert data.train.images.shape == (1442, 1, 8, 8)
    assert (data.image_size, data.channels, data.flip_ok, data.has_test) == (8, 1, False, True)
    assert data.val is not None
    assert len(data.labeled_rows) + len(data.val) == 1442
    assert np.bincount(data.val.labels).tolist() == [14, 15, 14, 15, 14, 15, 14, 14, 14, 14]
    assert len(data.load_test()) == 355
    assert np.bincount(data.load_test().labels).min() == 34


def test_hidden_labels_are_nowhere_in_what_trains() -> None:
    data = digits(label_count=40)
    assert np.bincount(data.train.labels[data.labeled_rows]).tolist() == [4] * 10
    visible = np.flatnonzero(data.train.labels >= 0)
    np.testing.assert_array_equal(visible, data.labeled_rows)
    np.testing.assert_array_equal(data.train.labels[visible], TRUE_LABELS[visible])
    hidden = np.setdiff1d(np.arange(1442), visible)
    np.testing.assert_array_equal(data.hidden_labels[hidden], TRUE_LABELS[hidden])
    assert (data.hidden_labels[visible] == -1).all()


def test_the_unlabeled_stream_holds_the_labeled_rows_unless_excluded() -> None:
    with_labeled, without = digits(label_count=40), digits(label_count=40, exclude_labeled=True)
    assert with_labeled.unlabeled_rows.tolist() == list(range(1442))
    assert sorted([*without.unlabeled_rows, *without.labeled_rows]) == list(range(1442))


def test_held_out_rows_are_in_neither_stream_and_their_labels_not_in_train() -> None:
    data = digits(label_count=600)
    assert data.val is not None
    assert len(data.val) == 60
    for rows in (data.labeled_rows, data.unlabeled_rows):
        assert not set(rows) & set(data.val.rows)
    assert (data.train.labels[data.val.rows] == -1).all()
    assert (data.hidden_labels[data.val.rows] == -1).all()
    np.testing.assert_array_equal(data.val.labels, TRUE_LABELS[data.val.rows])
    assert (np.delete(data.val.images.labels, data.val.rows) == -1).all()


def test_with_few_labels_nothing_is_held_out_and_a_note_says_so() -> None:
    data = digits(label_count=40)
    assert data.val is None
    assert any("too few to hold some out" in note for note in data.notes)
    assert any("60 of the 600 labels are held out" in note for note in digits(label_count=600).notes)


def test_the_seed_changes_the_rows_and_nothing_else() -> None:
    first, same, other = digits(label_count=40), digits(label_count=40), digits(seed=1, label_count=40)
    assert first.labeled_rows.tolist() == same.labeled_rows.tolist() != other.labeled_rows.tolist()
    assert first.fingerprint == same.fingerprint == other.fingerprint
    assert first.split_record() == same.split_record() != other.split_record()


def test_the_split_record_is_json_and_names_the_rows() -> None:
    data = digits(label_count=600)
    record = json.loads(json.dumps(data.split_record()))
    assert record["labeled"] == [f"row {row}" for row in data.labeled_rows]
    assert data.val is not None
    assert record["held_out"] == [f"row {row}" for row in data.val.rows]
    assert (record["unlabeled_images"], record["val_images"], record["test_images"]) == (1382, 60, 355)


def test_test_images_are_decoded_only_when_they_are_asked_for(tmp_path: Path) -> None:
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test")
    data = load_images(DataConfig(path=str(tmp_path)), seed=0)
    for path in (tmp_path / "test").rglob("*.png"):
        Image.new("L", (8, 8), 99).save(path)  # what is decoded now was not there when the data were loaded
    assert np.unique(data.load_test().images.images).tolist() == [99]


def test_test_images_that_vanish_are_an_error(tmp_path: Path) -> None:
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test")
    data = load_images(DataConfig(path=str(tmp_path)), seed=0)
    shutil.rmtree(tmp_path / "test")
    with pytest.raises(DataError, match="40 problems"):
        data.load_test()


def test_without_test_images_loading_them_is_an_error(tmp_path: Path) -> None:
    data = load_images(DataConfig(path=str(write_folder(tmp_path))), seed=0)
    assert not data.has_test
    with pytest.raises(DataError, match="--test"):
        data.load_test()


def test_faults_stop_loading() -> None:
    with pytest.raises(DataError, match="no/folder: no such file"):
        load_images(DataConfig(path="no/folder"), seed=0)
    with pytest.raises(DataError, match="--label-count must be at most the number of labels, 1442, got 2000"):
        digits(label_count=2000)


def test_given_validation_images_are_used_as_they_are(tmp_path: Path) -> None:
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "val", size=(16, 16))
    data = load_images(DataConfig(path=str(tmp_path)), seed=0)
    assert len(data.labeled_rows) == 40
    assert data.val is not None
    assert data.val.images.images.shape == (40, 1, 8, 8)
    assert data.split_record()["held_out"] == []


def test_a_further_unlabeled_source_joins_the_unlabeled_stream(tmp_path: Path) -> None:
    write_folder(tmp_path / "a")
    write_folder(tmp_path / "b", size=(9, 9))
    data = load_images(DataConfig(path=str(tmp_path / "a"), unlabeled=str(tmp_path / "b"), image_size=8), seed=0)
    assert (len(data.train), len(data.labeled_rows), len(data.unlabeled_rows)) == (80, 40, 80)
    assert (data.hidden_labels == -1).all()


@pytest.mark.parametrize(
    ("size", "mode", "shape", "note"),
    [
        ((12, 12), "L", (1, 12, 12), "images are 12 x 12, as they are, grayscale"),
        ((12, 12), "RGB", (3, 12, 12), "images are 12 x 12, as they are, color"),
        ((20, 12), "RGB", (3, 12, 12), "images are 12 x 12, the middle of 20 x 12"),
        ((300, 300), "L", (1, 224, 224), "resized to 224 x 224 (they have 300; change it with --image-size)"),
    ],
)
def test_the_image_size_follows_from_the_images(
    tmp_path: Path, size: tuple[int, int], mode: str, shape: tuple[int, ...], note: str
) -> None:
    data = load_images(DataConfig(path=str(write_folder(tmp_path, size, mode))), seed=0)
    assert data.train.images.shape[1:] == shape
    assert any(note in line for line in data.notes)


def test_images_of_different_sizes_get_the_median_of_their_short_sides(tmp_path: Path) -> None:
    write_folder(tmp_path, (36, 50))
    Image.new("RGB", (500, 900)).save(tmp_path / "0" / "large.png")
    data = load_images(DataConfig(path=str(tmp_path)), seed=0)
    assert data.train.images.shape[1:] == (3, 32, 32)
    assert load_images(DataConfig(path=str(tmp_path), image_size=20), seed=0).image_size == 20


def test_with_a_cache_images_are_mapped_into_memory(tmp_path: Path, cache: ImageCache) -> None:
    folder = write_folder(tmp_path / "a")
    plain = load_images(DataConfig(path=str(folder)), seed=0)
    config = DataConfig(path=str(folder), test=str(folder))
    mapped = load_images(config, seed=0, reader=ImageReader(cache=cache))
    assert isinstance(mapped.train.images, np.memmap)
    np.testing.assert_array_equal(mapped.train.images, plain.train.images)
    assert isinstance(mapped.load_test().images.images, np.memmap)
    assert len(list(cache.folder.glob("*.npy"))) == 1  # the test images are the same
    shutil.copy(folder / "0" / "0.png", folder / "0" / "new.png")
    assert len(load_images(config, seed=0, reader=ImageReader(cache=cache)).train) == 41


def test_an_inventory_made_before_gives_the_same_data() -> None:
    config = DataConfig(path="digits", label_count=40)
    again = load_images(config, seed=0, inventory=take_image_inventory(config))
    assert again.split_record() == digits(label_count=40).split_record()


def test_nothing_is_written_beside_the_images(tmp_path: Path, cache: ImageCache) -> None:
    folder = write_folder(tmp_path / "a")
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))
    load_images(DataConfig(path=str(folder)), seed=0, reader=ImageReader(cache=cache)).split_record()
    assert sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*")) == before


@pytest.mark.long
def test_photos_in_shards_load_with_few_labels(tmp_path: Path) -> None:
    source = DATA / "cifar10"
    if not (source / "test-0000.tar.gz").exists():
        pytest.skip("CIFAR-10 shards are not here: set TUTELAGE_DATA to the folder that holds cifar10/")
    shutil.copy(source / "train-0000.tar.gz", tmp_path)
    shutil.copy(source / "classes.json", tmp_path)
    data = load_images(DataConfig(path=str(tmp_path), label_count=250), seed=0)
    assert data.train.images.shape == (5000, 3, 32, 32)
    assert np.bincount(data.train.labels[data.labeled_rows]).tolist() == [25] * 10
    assert (data.flip_ok, data.val) == (True, None)


def test_copies_of_a_held_out_image_are_in_neither_stream(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(60):
            file = tmp_path / name / f"{number}.png"
            Image.fromarray(draw.integers(0, 256, (8, 8), np.uint8)).save(file)
            shutil.copy(file, tmp_path / name / f"{number}-copy.png")
    data = load_images(DataConfig(path=str(tmp_path)), seed=0)
    assert data.val is not None
    assert len(data.val) == 12
    held = {data.train.images[row].tobytes() for row in data.val.rows}
    assert len(held) == 12
    for rows in (data.labeled_rows, data.unlabeled_rows):
        assert len(rows) == 240 - 24
        assert not held & {data.train.images[row].tobytes() for row in rows}
    assert "12 byte-identical copies of these are left out" in " ".join(data.notes)


def test_copies_of_labeled_images_leave_the_unlabeled_stream_with_them(tmp_path: Path) -> None:
    write_folder(tmp_path, size=(16, 16))
    (tmp_path / "unlabeled").mkdir()
    copied = sorted(tmp_path.glob("[01]/*.png"))[:6]
    for number, path in enumerate(copied):
        shutil.copy(path, tmp_path / "unlabeled" / f"copy-{number}.png")
    Image.new("L", (16, 16), 77).save(tmp_path / "unlabeled" / "own.png")
    kept = load_images(DataConfig(path=str(tmp_path)), seed=0)
    assert len(kept.unlabeled_rows) == 47
    without = load_images(DataConfig(path=str(tmp_path), exclude_labeled=True), seed=0)
    assert [without.train.names[row] for row in without.unlabeled_rows] == ["unlabeled/own.png"]
    assert len(without.labeled_rows) == 40
    assert any(note.startswith("6 exact copies of labeled data are left out") for note in without.notes)
