import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.data.images.arrays import DIGITS
from tutelage.data.images.source import list_image_splits, list_images


def write_digits(root: Path, *names: str) -> None:
    with np.load(DIGITS) as file:
        images = file["x"]
    for row, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[row]).save(path)


def write_shard(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in (("1.png", b"x"), ("1.cls", b"cat")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def names_of(path: Path, labels: str | None = None) -> dict[str, list[tuple[str, str | None]]]:
    splits = list_image_splits(str(path), labels)
    assert [fault for listing in splits.values() for fault in listing.faults] == []
    return {split: [(item.name, item.label) for item in listing.items] for split, listing in splits.items()}


def test_class_folders_are_recognized(tmp_path: Path) -> None:
    write_digits(tmp_path, "cat/1.png", "dog/1.png")
    assert names_of(tmp_path) == {"train": [("cat/1.png", "cat"), ("dog/1.png", "dog")]}


def test_a_flat_folder_with_a_table_is_recognized(tmp_path: Path) -> None:
    write_digits(tmp_path / "photos", "1.png", "2.png")
    (tmp_path / "table.csv").write_text("path,label\n1.png,cat\n")
    expected = {"train": [("1.png", "cat"), ("2.png", None)]}
    assert names_of(tmp_path / "photos", str(tmp_path / "table.csv")) == expected
    (tmp_path / "table.csv").rename(tmp_path / "photos" / "labels.csv")
    assert names_of(tmp_path / "photos") == expected
    assert names_of(tmp_path / "photos", "labels.csv") == expected


def test_digits_are_a_word_and_a_folder_of_that_name_needs_a_dot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_digits(tmp_path / "digits", "cat/1.png", "dog/1.png")
    monkeypatch.chdir(tmp_path)
    assert {split: len(listing.items) for split, listing in list_image_splits("digits").items()} == {
        "train": 1442,
        "test": 355,
    }
    assert len(list_images("./digits").items) == 2


def test_split_folders_are_recognized_with_any_kind_inside(tmp_path: Path) -> None:
    write_digits(tmp_path, "train/cat/1.png", "train/dog/1.png", "validation/cat/2.png", "unlabeled/deep/3.png")
    write_shard(tmp_path / "test" / "a.tar")
    assert names_of(tmp_path) == {
        "train": [("cat/1.png", "cat"), ("dog/1.png", "dog")],
        "val": [("cat/2.png", "cat")],
        "unlabeled": [("deep/3.png", None)],
        "test": [("a.tar/1.png", "cat")],
    }


def test_a_table_covers_all_split_folders(tmp_path: Path) -> None:
    write_digits(tmp_path, "train/1.png", "train/2.png", "test/1.png")
    (tmp_path / "labels.csv").write_text("path,label\ntrain/1.png,cat\ntest/1.png,dog\n")
    assert names_of(tmp_path) == {
        "train": [("train/1.png", "cat"), ("train/2.png", None)],
        "test": [("test/1.png", "dog")],
    }


def test_two_folders_for_one_split_are_a_fault(tmp_path: Path) -> None:
    write_digits(tmp_path, "train/a/1.png", "val/a/1.png", "valid/a/1.png")
    assert "valid is a second folder for val" in list_image_splits(str(tmp_path))["val"].faults[0]


def test_a_test_folder_among_class_folders_is_a_fault(tmp_path: Path) -> None:
    write_digits(tmp_path, "cat/1.png", "dog/1.png", "test/1.png")
    assert (
        "test looks like a split, but there is no folder 'train'" in list_image_splits(str(tmp_path))["train"].faults[0]
    )


def test_folders_beside_the_splits_are_mentioned(tmp_path: Path) -> None:
    write_digits(tmp_path, "train/a/1.png", "test/a/1.png", "extra/a/1.png")
    assert "skipped: extra" in list_image_splits(str(tmp_path))["train"].warnings[0]


def test_a_role_takes_the_split_of_its_name_or_everything(tmp_path: Path) -> None:
    write_digits(tmp_path, "a/train/cat/1.png", "a/test/cat/2.png", "b/cat/3.png", "b/dog/4.png")
    assert [item.name for item in list_images(str(tmp_path / "a"), role="test").items] == ["cat/2.png"]
    assert [item.name for item in list_images(str(tmp_path / "b"), role="test").items] == ["cat/3.png", "dog/4.png"]
    assert "has no split 'val'; it has test, train" in list_images(str(tmp_path / "a"), role="val").faults[0]


@pytest.mark.parametrize("role", ["unlabeled", "predict"])
def test_without_labels_any_image_below_a_folder_is_taken(tmp_path: Path, role: str) -> None:
    write_digits(tmp_path, "1.png", "cat/2.png", "a/b/c/3.png")
    listing = list_images(str(tmp_path), role=role)  # type: ignore[arg-type]
    assert [(item.name, item.label) for item in listing.items] == [
        ("1.png", None),
        ("a/b/c/3.png", None),
        ("cat/2.png", None),
    ]
    assert listing.faults == []


def test_to_predict_an_image_a_list_a_shard_or_digits_will_do(tmp_path: Path) -> None:
    write_digits(tmp_path, "1.png", "2.png")
    write_shard(tmp_path / "shards" / "a.tar")
    (tmp_path / "list.csv").write_text("path\n2.png\n")
    for path, count in (("1.png", 1), ("list.csv", 1), ("shards", 1), ("shards/a.tar", 1)):
        listing = list_images(str(tmp_path / path), role="predict")
        assert (len(listing.items), listing.faults) == (count, [])
        assert listing.items[0].label is None
    assert len(list_images("digits", role="predict").items) == 1797


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none", "no such file or folder"),
        ("a" * 300, "cannot be listed: File name too long"),
        ("phtos", "did you mean 'photos'?"),
        ("empty", "holds no images"),
        ("hollow", "holds no images"),
        ("flat", "holds images (1) and no labels"),
        ("table.txt", "is a file of another kind"),
    ],
)
def test_what_is_no_source_says_what_is_expected(tmp_path: Path, path: str, message: str) -> None:
    write_digits(tmp_path, "photos/cat/1.png", "flat/1.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "hollow" / "cat").mkdir(parents=True)
    (tmp_path / "table.txt").write_text("x")
    [fault] = list_images(str(tmp_path / path)).faults
    assert message in fault


def test_a_table_for_a_source_with_labels_of_its_own_is_a_fault() -> None:
    assert "has its own labels" in list_images("digits", "labels.csv").faults[0]


def test_listing_writes_nothing_into_the_folder(tmp_path: Path) -> None:
    write_digits(tmp_path, "train/cat/1.png", "train/dog/1.png")
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    list_image_splits(str(tmp_path))
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["Unlabeled", "UNLABELLED"])
def test_a_folder_of_unlabeled_images_is_no_class_in_any_case(tmp_path: Path, name: str) -> None:
    write_digits(tmp_path, "cat/1.png", "dog/1.png", f"{name}/1.png")
    assert dict(names_of(tmp_path)["train"]) == {"cat/1.png": "cat", "dog/1.png": "dog", f"{name}/1.png": None}
    assert list_images(str(tmp_path)).classes == ("cat", "dog")


def test_a_folder_with_an_unlabeled_folder_of_another_case_alone_has_no_classes(tmp_path: Path) -> None:
    write_digits(tmp_path, "Unlabeled/1.png")
    assert "and no labels" in list_images(str(tmp_path)).faults[0]


@pytest.mark.parametrize("split", ["test", "val"])
def test_a_table_without_a_train_folder_leaves_scored_images_out_of_training(tmp_path: Path, split: str) -> None:
    write_digits(tmp_path, "1.png", "deep/2.png", f"{split}/3.png")
    (tmp_path / "labels.csv").write_text(f"path,label\n1.png,cat\n{split}/3.png,dog\n")
    assert names_of(tmp_path) == {
        "train": [("1.png", "cat"), ("deep/2.png", None)],
        split: [(f"{split}/3.png", "dog")],
    }


def test_a_table_of_scored_images_alone_has_nothing_to_train_on(tmp_path: Path) -> None:
    write_digits(tmp_path, "test/3.png")
    (tmp_path / "labels.csv").write_text("path,label\ntest/3.png,dog\n")
    assert names_of(tmp_path) == {"test": [("test/3.png", "dog")]}


def test_the_split_of_a_shard_is_a_word_anywhere_in_its_name(tmp_path: Path) -> None:
    names = ("mydata-train-000.tar", "mydata-test-000.tar", "a_VAL_1.tar", "0-unlabeled.tar", "rest.tar")
    for name in names:
        write_shard(tmp_path / name)
    found = {split: [name.split("/")[0] for name, _ in items] for split, items in names_of(tmp_path).items()}
    assert found == {
        "train": ["mydata-train-000.tar", "rest.tar"],
        "test": ["mydata-test-000.tar"],
        "val": ["a_VAL_1.tar"],
        "unlabeled": ["0-unlabeled.tar"],
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("testset-0.tar", "would be used for training, but its name suggests another split"),
        ("myVal0.tar", "would be used for training, but its name suggests another split"),
        ("train-test-0.tar", "names more than one split (test, train)"),
    ],
)
def test_a_shard_whose_split_is_in_doubt_is_a_fault(tmp_path: Path, name: str, message: str) -> None:
    write_shard(tmp_path / "train-0.tar")
    write_shard(tmp_path / name)
    faults = [fault for listing in list_image_splits(str(tmp_path)).values() for fault in listing.faults]
    assert len(faults) == 1
    assert name in faults[0]
    assert message in faults[0]
    assert list_images(str(tmp_path), role="predict").faults == []


def test_shards_that_are_all_named_alike_are_one_set(tmp_path: Path) -> None:
    for number in range(2):
        write_shard(tmp_path / f"testset-{number}.tar")
    listing = list_images(str(tmp_path), role="test")
    assert (len(listing.items), listing.faults) == (2, [])


def test_images_to_score_are_no_unlabeled_images(tmp_path: Path) -> None:
    write_digits(tmp_path / "a", "train/cat/1.png", "unlabeled/2.png", "Val/3.png", "test/cat/4.png", "5.png")
    listing = list_images(str(tmp_path / "a"), role="unlabeled")
    assert [item.name for item in listing.items] == ["5.png", "train/cat/1.png", "unlabeled/2.png"]
    assert "the images in Val, test are for scoring" in listing.warnings[0]
    assert len(list_images(str(tmp_path / "a"), role="predict").items) == 5
    for name in ("train-0.tar", "test-0.tar"):
        write_shard(tmp_path / "b" / name)
    assert [item.name for item in list_images(str(tmp_path / "b"), role="unlabeled").items] == ["train-0.tar/1.png"]
    assert len(list_images(str(tmp_path / "b"), role="predict").items) == 2
    assert len(list_images("digits", role="unlabeled").items) == 1442


def test_a_source_of_scored_images_alone_is_refused_as_unlabeled(tmp_path: Path) -> None:
    write_digits(tmp_path / "a", "test/1.png")
    write_shard(tmp_path / "b" / "test-0.tar")
    assert "for scoring only (test)" in list_images(str(tmp_path / "a"), role="unlabeled").faults[0]
    assert "no split train or unlabeled; it has test" in list_images(str(tmp_path / "b"), role="unlabeled").faults[0]
