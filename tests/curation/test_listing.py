"""Which images of a folder have a label already, in the forms that a folder that is being labeled may have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from tutelage.config.data import DataConfig
from tutelage.core.errors import DataError
from tutelage.curation.listing import list_pile


def folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(root / name)
    return root


def listed(root: Path, labels: str | None = None, **more: bool) -> dict[str, str | None]:
    return {item.name: item.label for item in list_pile(DataConfig(path=str(root), labels=labels), **more).items}


@pytest.mark.parametrize("names", [("1.png", "2.png"), ("a/1.png",), ("2020/05/1.png", "2021/06/2.png")])
def test_a_folder_without_labels_has_none_at_any_depth(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert listed(folder(tmp_path / "p", *names)) == dict.fromkeys(names)


def test_class_folders_are_labels_and_unlabeled_images_have_none(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "cat/1.png", "dog/2.png", "unlabeled/x/3.png")
    assert listed(root) == {"cat/1.png": "cat", "dog/2.png": "dog", "unlabeled/x/3.png": None}


def test_one_class_counts_if_there_are_images_without_a_label(tmp_path: Path) -> None:
    assert listed(folder(tmp_path / "p", "cat/1.png", "unlabeled/2.png")) == {
        "cat/1.png": "cat",
        "unlabeled/2.png": None,
    }


def test_folders_can_be_taken_as_plain_folders(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "may/1.png", "june/2.png")
    assert listed(root, ignore_folders=True) == {"june/2.png": None, "may/1.png": None}


def test_a_table_beside_the_images_covers_some_of_them_even_if_of_one_class(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "1.png", "2.png", "a/3.png")
    (root / "labels.csv").write_text("path,label,rank\n1.png,cat,1\n2.png,,2\n")
    assert listed(root) == {"1.png": "cat", "2.png": None, "a/3.png": None}


def test_a_given_table_counts_instead_of_class_folders(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "cat/1.png", "dog/2.png")
    (tmp_path / "mine.csv").write_text("path,label\ndog/2.png,wolf\n")
    assert listed(root, str(tmp_path / "mine.csv")) == {"cat/1.png": None, "dog/2.png": "wolf"}


def test_images_to_score_on_are_left_out_and_names_are_those_of_the_source(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "train/cat/1.png", "train/dog/2.png", "test/cat/3.png", "unlabeled/4.png")
    assert listed(root) == {"train/cat/1.png": "cat", "train/dog/2.png": "dog", "unlabeled/4.png": None}
    (root / "labels.csv").write_text("path,label\ntrain/cat/1.png,cat\ntest/cat/3.png,cat\n")
    assert listed(root) == {"train/cat/1.png": "cat", "train/dog/2.png": None, "unlabeled/4.png": None}


@pytest.mark.parametrize("inner", ["", "train/"])
def test_images_beside_class_folders_have_no_label_and_it_is_said(tmp_path: Path, inner: str) -> None:
    root = folder(tmp_path / "p", *(f"{inner}{name}" for name in ("cat/1.png", "dog/2.png", "3.png")))
    labels = {"cat/1.png": "cat", "dog/2.png": "dog", "3.png": None}
    assert listed(root) == {f"{inner}{name}": label for name, label in labels.items()}
    warnings = list_pile(DataConfig(path=str(root))).warnings
    assert warnings == ["1 image beside the class folders taken as unlabeled (first: 3.png)"]


def test_a_class_whose_name_is_a_formula_is_an_error_in_a_pile(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="spreadsheets"):
        listed(folder(tmp_path / "p", "=1/1.png", "dog/2.png", "3.png"))


def test_a_faulty_table_and_a_folder_without_images_are_errors(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "1.png")
    (root / "labels.csv").write_text("path,label\nnone.png,cat\n")
    with pytest.raises(DataError, match=r"labels.csv line 2: 'none.png' is not a file"):
        listed(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images"):
        listed(tmp_path / "empty")


def test_a_table_of_images_that_are_all_for_scoring_leaves_nothing_to_label(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "test/1.png", "test/2.png")
    (root / "labels.csv").write_text("path,label\ntest/1.png,cat\n")
    with pytest.raises(DataError, match="no images to learn from; it has test"):
        listed(root)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("2022/1.png", "2023/05/2.png"), "2023 holds folders instead of images"),
        (("3.png", "2023/05/1.png", "2024/2.png"), "2023 holds folders instead of images"),
    ],
)
def test_folders_that_cannot_all_be_classes_are_plain_ones_and_it_is_said(
    tmp_path: Path, names: tuple[str, ...], why: str
) -> None:
    found = list_pile(DataConfig(path=str(folder(tmp_path / "p", *names))))
    assert {item.name: item.label for item in found.items} == dict.fromkeys(names)
    assert re.search(f"its folders are not taken as classes, since .*{why}", " ".join(found.warnings))


@pytest.mark.parametrize("name", ["list.txt", "list.csv", "a/1.png"])
def test_lists_of_images_and_single_ones_are_piles_too(tmp_path: Path, name: str) -> None:
    root = folder(tmp_path / "p", "a/1.png")
    (root / "list.txt").write_text("a/1.png\n")
    (root / "list.csv").write_text("path\na/1.png\n")
    assert [item.label for item in list_pile(DataConfig(path=str(root / name))).items] == [None]
