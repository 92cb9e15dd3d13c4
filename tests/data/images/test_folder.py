import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.data.images.arrays import DIGITS
from tutelage.data.images.folders import list_class_folders, list_named_images, list_table_folder
from tutelage.data.images.items import ImageListing, Unreadable
from tutelage.data.images.survey import read_headers, survey_images


def write_digits(root: Path, *names: str) -> None:
    with np.load(DIGITS) as file:
        images = file["x"]
    for row, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[row]).save(path)


def labels_of(listing: ImageListing) -> dict[str, str | None]:
    return {item.name: item.label for item in listing.items}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    write_digits(root, "cat/1.png", "cat/2.png", "dog/1.PNG", "unlabeled/x/9.png")
    return root


def by_table(root: Path, text: str) -> ImageListing:
    table = root.parent / "labels.csv"
    table.write_text(text, encoding="utf-8")
    return list_table_folder(root, "photos", table)


def test_class_folders_give_labels_and_unlabeled_gives_none(photos: Path) -> None:
    listing = list_class_folders(photos, "photos")
    assert labels_of(listing) == {"cat/1.png": "cat", "cat/2.png": "cat", "dog/1.PNG": "dog", "unlabeled/x/9.png": None}
    assert listing.classes == ("cat", "dog")
    assert (listing.faults, listing.warnings) == ([], [])


def test_numbered_classes_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    write_digits(tmp_path, "10/a.png", "9/a.png", "2/a.png")
    assert list_class_folders(tmp_path, "photos").classes == ("2", "9", "10")


def test_a_hidden_folder_is_no_class_but_is_mentioned(photos: Path) -> None:
    write_digits(photos, ".ipynb_checkpoints/1.png")
    listing = list_class_folders(photos, "photos")
    assert listing.classes == ("cat", "dog")
    assert any(".ipynb_checkpoints" in warning for warning in listing.warnings)


def test_images_beside_class_folders_are_a_fault(photos: Path) -> None:
    write_digits(photos, "stray.png")
    [fault] = list_class_folders(photos, "photos").faults
    assert "1 image (first: stray.png) beside the class folders" in fault


def test_a_folder_of_folders_is_no_class(photos: Path) -> None:
    write_digits(photos, "birds/owl/1.png", "birds/emu/1.png")
    [fault] = list_class_folders(photos, "photos").faults
    assert "birds holds folders instead of images (2 images (first: birds/emu/1.png))" in fault


def test_deeper_images_of_a_class_are_taken_with_a_warning(photos: Path) -> None:
    write_digits(photos, "dog/2020/1.png")
    listing = list_class_folders(photos, "photos")
    assert labels_of(listing)["dog/2020/1.png"] == "dog"
    assert listing.faults == []
    assert "deeper folders" in listing.warnings[0]


def test_a_link_loop_ends(photos: Path) -> None:
    (photos / "cat" / "loop").symlink_to(photos)
    listing = list_class_folders(photos, "photos")
    assert len(listing.items) == 4
    assert any("loop is a link to a folder above itself" in warning for warning in listing.warnings)


@pytest.mark.parametrize("target", ["nowhere.png", "gone.png"])
def test_a_link_to_nothing_or_to_itself_is_an_image_that_cannot_be_read(photos: Path, target: str) -> None:
    (photos / "cat" / "gone.png").symlink_to(target)
    listing = list_class_folders(photos, "photos")
    [item] = [item for item in listing.items if item.name == "cat/gone.png"]
    for look in (*survey_images([item]), *read_headers([item])):
        assert isinstance(look, Unreadable) and look.reason.startswith("is a link to a file that does not exist: rest")
    assert listing.faults == []


def test_linked_folders_are_followed(photos: Path, tmp_path: Path) -> None:
    write_digits(tmp_path / "elsewhere", "1.png")
    (photos / "emu").symlink_to(tmp_path / "elsewhere")
    assert labels_of(list_class_folders(photos, "photos"))["emu/1.png"] == "emu"


def test_other_files_are_counted(photos: Path) -> None:
    (photos / "cat" / "a.mov").write_bytes(b"x")
    (photos / "cat" / "notes.txt").write_bytes(b"x")
    [warning] = list_class_folders(photos, "photos").warnings
    assert "1 .mov" in warning
    assert ".txt" not in warning


def test_classes_that_differ_in_case_are_mentioned(photos: Path) -> None:
    write_digits(photos, "Cat/1.png")
    if len(list(photos.iterdir())) == 3:
        pytest.skip("the file system ignores case")
    assert any("'Cat' and 'cat' differ only in case" in warning for warning in list_class_folders(photos, "p").warnings)


def test_a_class_named_like_a_formula_is_refused(photos: Path) -> None:
    write_digits(photos, "=cmd/1.png")
    [fault] = list_class_folders(photos, "photos").faults
    assert "formula" in fault


@pytest.mark.parametrize("name", ["a\nb.png", "\u202eb.png", os.fsdecode(b"caf\xe9.png"), "[red]b.png", "=b.png"])
def test_odd_file_names_are_listed_as_they_are(photos: Path, name: str) -> None:
    shutil.copy(photos / "cat" / "1.png", photos / "cat" / name)
    assert f"cat/{name}" in labels_of(list_class_folders(photos, "photos"))


def test_a_table_labels_images_and_leaves_the_rest_unlabeled(photos: Path) -> None:
    listing = by_table(photos, "path,label\ncat/1.png,tabby\n./dog/1.PNG,hound\ncat/2.png,\n")
    assert labels_of(listing) == {
        "cat/1.png": "tabby",
        "cat/2.png": None,
        "dog/1.PNG": "hound",
        "unlabeled/x/9.png": None,
    }
    assert listing.classes == ("hound", "tabby")
    assert (listing.faults, listing.warnings) == ([], [])


def test_absolute_paths_inside_the_folder_are_fine(photos: Path) -> None:
    listing = by_table(photos, f"path,label\n{photos / 'cat' / '1.png'},tabby\n")
    assert labels_of(listing)["cat/1.png"] == "tabby"


def test_a_path_as_it_is_written_to_predictions_is_found(photos: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    shutil.copy(photos / "cat" / "1.png", photos / name)
    assert labels_of(by_table(photos, "path,label\ncaf\\xe9.png,tabby\n"))[name] == "tabby"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("cat/7.png,x", "line 3: 'cat/7.png' is not a file in"),
        ("cat/1.jpg,x", "line 3: 'cat/1.jpg' is not a file in"),
        ("cat,x", "line 3: 'cat' is a folder"),
        ("../photos2/1.png,x", "line 3: '../photos2/1.png' lies outside"),
        ("/etc/passwd,x", "line 3: '/etc/passwd' lies outside"),
        ("notes.md,x", "line 3: 'notes.md' is not an image"),
        ("cat/1.png,lion", "line 3: 'cat/1.png' is labeled 'lion' here and 'tabby' in line 2"),
        ("cat/2.png,-2", "class name '-2'"),
    ],
)
def test_each_fault_of_a_row_is_one_sentence(photos: Path, row: str, message: str) -> None:
    (photos / "notes.md").write_text("x")
    listing = by_table(photos, f"path,label\ncat/1.png,tabby\n{row}\n")
    assert len(listing.faults) == 1
    assert message in listing.faults[0]


def test_a_row_given_twice_with_the_same_label_is_a_warning(photos: Path) -> None:
    listing = by_table(photos, "path,label\ncat/1.png,tabby\ncat/2.png,x\n./cat/1.png,tabby\n")
    assert listing.faults == []
    assert "1 rows repeat a path with the same label (first: line 4)" in listing.warnings[0]


@pytest.mark.parametrize(("file", "text"), [("new.csv", "path,note\ncat/1.png,a\n"), ("new.txt", "cat/1.png\n\n")])
def test_a_list_names_images_relative_to_itself(photos: Path, file: str, text: str) -> None:
    (photos / file).write_text(text)
    [item] = list_named_images(photos / file, file).items
    assert item.name == "cat/1.png"
    assert Path(item.place) == photos / "cat/1.png"


def test_images_that_a_table_leaves_out_are_not_listed_and_are_counted(photos: Path) -> None:
    listing = by_table(photos, "path,label,leave_out\ncat/1.png,cat,\ncat/2.png,cat,a copy\ndog/1.PNG,dog,\n")
    assert labels_of(listing) == {"cat/1.png": "cat", "dog/1.PNG": "dog", "unlabeled/x/9.png": None}
    assert listing.faults == []
    assert any("1 image left out, as the table says" in warning for warning in listing.warnings)


def test_an_image_that_is_left_out_in_one_row_and_used_in_another_is_a_fault(photos: Path) -> None:
    listing = by_table(photos, "path,label,leave_out\ncat/1.png,cat,\ncat/1.png,cat,a copy\n")
    [fault] = listing.faults
    assert "'cat/1.png' is left out here or in line 2, and used in the other: keep one row" in fault
