"""Tables that folders bring along: metadata of Hugging Face, train.csv of Kaggle, labels.json of FiftyOne."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tutelage.data.images.items import ImageListing
from tutelage.data.images.metadata import columns_of
from tutelage.data.images.own_tables import own_table
from tutelage.data.images.source import list_image_splits, list_images


def images(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(folder / name)
    return folder


def only(path: Path) -> ImageListing:
    (listing,) = list_image_splits(str(path)).values()
    return listing


def labels(listing: ImageListing) -> dict[str, str | None]:
    return {item.name: item.label for item in listing.items}


def test_metadata_labels_the_images_that_it_names(tmp_path: Path) -> None:
    images(tmp_path, "a.png", "sub/b.png", "c.png")
    (tmp_path / "metadata.csv").write_text("file_name,width,label\na.png,8,cat\nsub/b.png,8,dog\n")
    listing = only(tmp_path)
    assert not listing.faults and not listing.warnings
    assert labels(listing) == {"a.png": "cat", "c.png": None, "sub/b.png": "dog"}
    (tmp_path / "metadata.csv").unlink()
    lines = [{"file_name": "a.png", "label": 0}, {"file_name": "sub/b.png", "label": 1, "caption": "a dog"}]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    listing = only(tmp_path)
    assert not listing.faults and not listing.warnings
    assert labels(listing) == {"a.png": "0", "c.png": None, "sub/b.png": "1"}


def test_metadata_in_each_split_and_over_all_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        images(tmp_path / "each" / split, "a.png", "b.png")
        (tmp_path / "each" / split / "metadata.csv").write_text("file_name,label\na.png,cat\nb.png,dog\n")
        images(tmp_path / "whole" / split, "a.png", "b.png")
    rows = [f"{split}/{name}.png,{label}" for split in ("train", "test") for name, label in (("a", "x"), ("b", "y"))]
    (tmp_path / "whole" / "metadata.csv").write_text("\n".join(["file_name,label", *rows]))
    for form in ("each", "whole"):
        splits = list_image_splits(str(tmp_path / form))
        assert {name: len(part.items) for name, part in splits.items()} == {"train": 2, "test": 2}
        assert all(item.label for part in splits.values() for item in part.items)


def test_captions_are_no_labels_and_labels_csv_comes_first(tmp_path: Path) -> None:
    images(tmp_path / "cat", "a.png")
    images(tmp_path / "dog", "b.png")
    (tmp_path / "metadata.csv").write_text("file_name,text\ncat/a.png,a cat\ndog/b.png,a dog\n")
    assert labels(only(tmp_path)) == {"cat/a.png": "cat", "dog/b.png": "dog"}
    (tmp_path / "metadata.csv").write_text("file_name,label\ncat/a.png,one\ndog/b.png,two\n")
    (tmp_path / "labels.csv").write_text("path,label\ncat/a.png,first\ndog/b.png,second\n")
    assert labels(only(tmp_path)) == {"cat/a.png": "first", "dog/b.png": "second"}


def test_kaggle_names_images_without_suffix_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    images(tmp_path / "train_images", "a1.png", "a2.png", "a3.png")
    images(tmp_path / "test_images", "b1.png")
    (tmp_path / "train.csv").write_text("Id,Breed\na1,pug\na2,lab\n")
    (tmp_path / "sample_submission.csv").write_text("Id,Breed\nb1,pug\n")
    listing = only(tmp_path)
    assert labels(listing) == {"a1.png": "pug", "a2.png": "lab", "a3.png": None} and not listing.faults
    said = "\n".join(listing.warnings)
    assert "the column 'id' names the images, and 'breed' is the label" in said
    assert "2 paths without the suffix" in said
    assert f"folders beside train_images were skipped: test_images; try unlabeled='{tmp_path / 'test_images'}'" in said
    assert len(list_images(str(tmp_path / "test_images"), role="unlabeled").items) == 1


def test_kaggle_rows_without_an_image_are_faults_as_in_other_tables(tmp_path: Path) -> None:
    images(tmp_path / "train", "a1.png")
    (tmp_path / "train.csv").write_text("image_id,label\na1,pug\nzz,lab\n")
    (fault,) = only(tmp_path).faults
    assert "train.csv line 3: 'zz' is not a file in" in fault


@pytest.mark.parametrize("coded", [True, False])
def test_fiftyone_labels_are_places_names_or_nothing(coded: bool, tmp_path: Path) -> None:
    images(tmp_path / "data", "u1.png", "sub/u2.png", "u3.png", "u4.png")
    targets: dict[str, Any] = {"u1": 1, "sub/u2": 0, "u3": None} if coded else {"u1": "dog", "sub/u2": {"label": "cat"}}
    content = {"classes": ["cat", "dog"], "labels": targets} if coded else {"labels": targets}
    (tmp_path / "labels.json").write_text(json.dumps(content))
    listing = only(tmp_path)
    assert not listing.faults
    assert labels(listing) == {"sub/u2.png": "cat", "u1.png": "dog", "u3.png": None, "u4.png": None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"classes": ["a"], "labels": {"u1": 3}}', "labels['u1'] is 3: expected a place below 1"),
        ('{"labels": {"u1": 3}}', "labels['u1'] is 3: expected a name, or a place in classes"),
        ('{"classes": 3, "labels": {"u1": 0}}', "classes must be a list of names"),
        ('{"labels": ', "is no JSON file of labels"),
        ('{"labels": {}}', "has no labels"),
    ],
)
def test_damaged_exports_of_fiftyone_are_faults(content: str, message: str, tmp_path: Path) -> None:
    images(tmp_path / "data", "u1.png")
    (tmp_path / "labels.json").write_text(content)
    assert any(message in fault for fault in only(tmp_path).faults)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "line 2: expected an object"),
        ("{", "line 2 is no JSON"),
        ('{"file_name": 1.5, "label": "a"}', "line 2: file_name is 1.5: expected the path of an image"),
        ('{"file_name": "a.png", "label": ["a"]}', "line 2: label is ['a']: expected text or a whole number"),
    ],
)
def test_damaged_lines_are_faults(line: str, message: str, tmp_path: Path) -> None:
    images(tmp_path, "a.png")
    (tmp_path / "metadata.jsonl").write_text(f'{{"file_name": "a.png", "label": "x"}}\n{line}\n')
    assert any(message in fault for fault in only(tmp_path).faults)


def test_columns_are_told_by_their_names_or_are_two(tmp_path: Path) -> None:
    table = tmp_path / "train.csv"
    for header, found in (
        ("file_name,label", ("file_name", "label")),
        ("ID_code,Diagnosis", ("id_code", "diagnosis")),
        ("id,width,height", None),
        ("id,width,target", ("id", "target")),
        ("id,text", None),
        ("x,y", None),
        ("id,id,label", None),
    ):
        table.write_text(header + "\n")
        assert columns_of(table) == found, header
    assert own_table(tmp_path) is None
