import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.config.data import DataConfig
from tutelage.data.images.arrays import DIGITS
from tutelage.data.images.inventory import take_image_inventory


def write_digits(root: Path, *names: str, first: int = 0) -> None:
    with np.load(DIGITS) as file:
        images = file["x"]
    for row, name in enumerate(names, first):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[row]).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    write_digits(root / "train", "cat/1.png", "cat/2.png", "dog/1.png", "unlabeled/1.png")
    write_digits(root / "test", "cat/1.png", "dog/1.png", first=10)
    return root


def test_sound_data_has_no_faults_and_no_warnings(photos: Path) -> None:
    inventory = take_image_inventory(DataConfig(path=str(photos)))
    assert (inventory.faults, inventory.warnings) == ([], [])
    assert list(inventory.parts) == ["train", "test"]
    assert inventory.classes == ("cat", "dog")
    assert inventory.parts["train"].class_counts() == {"cat": 2, "dog": 1}


def test_sources_named_in_the_settings_win_over_splits(photos: Path, tmp_path: Path) -> None:
    write_digits(tmp_path / "more", "1.png", "2.png", first=20)
    write_digits(tmp_path / "other", "cat/1.png", first=30)
    config = DataConfig(path=str(photos), unlabeled=str(tmp_path / "more"), val=str(tmp_path / "other"), test="digits")
    inventory = take_image_inventory(config)
    assert {role: len(part.items) for role, part in inventory.parts.items()} == {
        "train": 4,
        "unlabeled": 2,
        "val": 1,
        "test": 355,
    }


def test_all_faults_of_all_sources_are_found_at_once(photos: Path) -> None:
    (photos / "train/cat/3.png").write_bytes(b"")
    (photos / "train/unlabeled/text.jpg").write_text("text")
    (photos / "test/dog/2.png").write_bytes((photos / "test/dog/1.png").read_bytes()[:60])
    (photos / "train/owl").mkdir()
    write_digits(photos / "test", "emu/1.png", first=20)
    faults = take_image_inventory(DataConfig(path=str(photos))).faults
    assert len(faults) == 5
    for fault, words in zip(
        faults,
        [
            ("train/cat/3.png", "is empty"),
            ("train/unlabeled/text.jpg", "is not a readable image"),
            ("test/dog/2.png", "cannot be decoded"),
            ("class 'owl' has no labeled image",),
            ("class 'emu' of the test images is not a class of the training images", "emu/1.png"),
        ],
        strict=True,
    ):
        for word in words:
            assert word in fault


def test_unreadable_images_are_left_out_on_request_and_named(photos: Path) -> None:
    (photos / "train/cat/3.png").write_bytes(b"")
    inventory = take_image_inventory(DataConfig(path=str(photos), skip_unreadable=True))
    assert inventory.faults == []
    assert "left out" in inventory.warnings[0]
    assert "3.png is empty" in inventory.warnings[0]
    assert len(inventory.parts["train"].items) == 4


def test_one_class_is_a_fault(tmp_path: Path) -> None:
    write_digits(tmp_path, "images/1.png", "images/2.png")
    [fault] = take_image_inventory(DataConfig(path=str(tmp_path))).faults
    assert "only one class ('images')" in fault


def test_no_label_at_all_is_a_fault(tmp_path: Path) -> None:
    write_digits(tmp_path, "1.png", "2.png")
    (tmp_path / "labels.csv").write_text("path,label\n1.png,\n")
    [fault] = take_image_inventory(DataConfig(path=str(tmp_path))).faults
    assert "has no labeled image" in fault


def test_test_images_without_labels_are_a_fault(photos: Path, tmp_path: Path) -> None:
    write_digits(tmp_path / "flat", "1.png", first=30)
    (tmp_path / "flat" / "labels.csv").write_text("path,label\n1.png,\n")
    [fault] = take_image_inventory(DataConfig(path=str(photos), val=str(tmp_path / "flat"))).faults
    assert "the val images have no labels" in fault


def test_only_test_images_are_a_fault(tmp_path: Path) -> None:
    write_digits(tmp_path, "test/cat/1.png")
    assert "has no training images" in take_image_inventory(DataConfig(path=str(tmp_path))).faults[0]


def test_a_missing_source_is_one_fault() -> None:
    [fault] = take_image_inventory(DataConfig(path="digits", val="no/such/folder")).faults
    assert "no/such/folder: no such file or folder" in fault


def test_copies_between_training_and_test_are_counted(photos: Path) -> None:
    shutil.copy(photos / "train/cat/1.png", photos / "test/cat/leak.png")
    shutil.copy(photos / "train/unlabeled/1.png", photos / "test/dog/leak.png")
    labeled, unlabeled = take_image_inventory(DataConfig(path=str(photos))).warnings
    assert "1 byte-identical copies between test and train (first: " in labeled
    assert "train/cat/1.png" in labeled
    assert "1 byte-identical copies between test and unlabeled (first: " in unlabeled
    assert "train/unlabeled/1.png" in unlabeled


def test_copies_with_different_labels_are_mentioned(photos: Path) -> None:
    shutil.copy(photos / "train/cat/1.png", photos / "train/dog/9.png")
    shutil.copy(photos / "train/cat/1.png", photos / "train/cat/9.png")
    within, mixed = take_image_inventory(DataConfig(path=str(photos))).warnings
    assert "2 byte-identical copies within train" in within
    assert "1 of these copies carry different labels" in mixed


def test_imbalance_and_tiny_images_are_mentioned(tmp_path: Path) -> None:
    write_digits(tmp_path, *(f"cat/{number}.png" for number in range(20)), "dog/1.png")
    Image.new("L", (2, 9), 40).save(tmp_path / "dog" / "2.png")
    tiny, imbalance = take_image_inventory(DataConfig(path=str(tmp_path))).warnings
    assert "'cat' has 20 labels, 'dog' 2" in imbalance
    assert "1 images have a side of less than 4 pixels" in tiny


def test_classes_without_test_image_and_test_images_without_label_are_mentioned(photos: Path) -> None:
    shutil.rmtree(photos / "test/dog")
    write_digits(photos / "test", "unlabeled/1.png", first=40)
    missing, without = take_image_inventory(DataConfig(path=str(photos))).warnings
    assert "no test images of 1 class: dog" in missing
    assert "1 test images without a label are not used" in without


def test_the_fingerprint_follows_names_labels_and_bytes(photos: Path) -> None:
    def fingerprint() -> str:
        return take_image_inventory(DataConfig(path=str(photos))).fingerprint()

    seen = [fingerprint()]
    assert fingerprint() == seen[0]
    for path, target in (("train/cat/1.png", "train/cat/7.png"), ("train/cat/2.png", "train/dog/2.png")):
        (photos / path).rename(photos / target)
        seen.append(fingerprint())
    content = bytearray((photos / "test/dog/1.png").read_bytes())
    (photos / "test/dog/1.png").write_bytes(bytes(content) + b"\0")
    seen.append(fingerprint())
    assert len(set(seen)) == 4


def test_one_changed_label_changes_the_fingerprint(tmp_path: Path) -> None:
    write_digits(tmp_path, "1.png", "2.png", "3.png")
    seen = set()
    for last in ("cat", "dog", ""):
        (tmp_path / "labels.csv").write_text(f"path,label\n1.png,cat\n2.png,dog\n3.png,{last}\n")
        seen.add(take_image_inventory(DataConfig(path=str(tmp_path))).fingerprint())
    assert len(seen) == 3


def test_a_further_unlabeled_source_counts_as_training_images(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    shutil.copy(photos / "train/cat/1.png", tmp_path / "more" / "a.png")
    shutil.copy(photos / "test/cat/1.png", tmp_path / "more" / "b.png")
    within, between = take_image_inventory(DataConfig(path=str(photos), unlabeled=str(tmp_path / "more"))).warnings
    assert "1 byte-identical copies between train and unlabeled" in within
    assert "1 byte-identical copies between test and unlabeled" in between


@pytest.mark.parametrize(
    "names",
    [
        ["2023/01/1.jpg", "2023/02/2.jpg", "2024/01/3.jpg"],
        ["2023/01/1.jpg", "2023/02/2.jpg"],
        ["cat/1.jpg", "dog/2.jpg", "3.jpg"],
        ["cat/1.jpg", "dog/2023/2.jpg", "dog/2024/3.jpg"],
        ["=a/1.jpg", "b/2.jpg"],
        ["train/2023/01/1.jpg", "train/2024/02/2.jpg"],
    ],
)
def test_folders_that_are_no_classes_are_all_taken_where_no_labels_are_needed(names: list[str], tmp_path: Path) -> None:
    write_digits(tmp_path, *names)
    inventory = take_image_inventory(DataConfig(path=str(tmp_path)), needs_labels=False)
    assert [item.name for item in inventory.parts["train"].items] == sorted(names) and not inventory.faults
    assert not inventory.classes
    said = [warning for warning in inventory.warnings if warning.startswith("folders are not taken as classes, since ")]
    assert len(said) == 1


def test_class_folders_are_classes_also_where_no_labels_are_needed(photos: Path) -> None:
    inventory = take_image_inventory(DataConfig(path=str(photos)), needs_labels=False)
    assert inventory.classes == ("cat", "dog") and not inventory.warnings


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        ("rows", "settings={'data.labeled_sampling': 'classes'} draws all classes equally often"),
        ("classes", "this run draws all classes equally often"),
    ],
)
def test_imbalanced_classes_are_said_with_the_setting_that_helps(sampling: str, said: str, tmp_path: Path) -> None:
    write_digits(tmp_path, *(f"cat/{number}.png" for number in range(10)), "dog/1.png")
    inventory = take_image_inventory(DataConfig(path=str(tmp_path), labeled_sampling=sampling))  # type: ignore[arg-type]
    assert inventory.warnings == [f"{tmp_path}: classes are imbalanced: 'cat' has 10 labels, 'dog' 1; {said}"]
