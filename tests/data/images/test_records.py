"""Parquet files and saved Hugging Face datasets, as the real libraries write them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import tutelage
from tutelage.commands.select import require_folder
from tutelage.config.data import DataConfig
from tutelage.core.errors import DataError
from tutelage.data.images import record_file
from tutelage.data.images.check import check_images
from tutelage.data.images.items import Unreadable
from tutelage.data.images.records import list_records
from tutelage.data.images.source import is_archive, list_image_splits, list_images
from tutelage.data.images.survey import read_pixels


def picture(shade: int) -> Image.Image:
    return Image.fromarray(np.full((8, 8, 3), shade, np.uint8))


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    picture(shade).save(stream, "PNG")
    return stream.getvalue()


def write(file: Path, count: int = 6, **columns: list[Any]) -> Path:
    """A Parquet file as pyarrow writes it, in row groups of two, with images of the shades 0, 10, 20, ..."""
    images = [{"bytes": png(10 * number), "path": f"{number}.png"} for number in range(count)]
    table = pa.table({"image": images, **(columns or {"label": ["cat", "dog"] * (count // 2)})})
    pq.write_table(table, file, row_group_size=2)
    return file


def shades(items: list[Any]) -> list[int]:
    return [int(pixels[0, 0, 0]) for pixels in read_pixels(items, size=8, channels=3)]


def test_images_and_labels_come_from_their_columns_in_any_selection(tmp_path: Path) -> None:
    listing = list_records(tmp_path, [write(tmp_path / "a.parquet")], "a", "Parquet file")
    assert not listing.faults and listing.classes == ("cat", "dog")
    assert [item.label for item in listing.items] == ["cat", "dog"] * 3
    assert shades(listing.items) == [0, 10, 20, 30, 40, 50]
    assert shades([listing.items[place] for place in (1, 2, 5)]) == [10, 20, 50]
    assert listing.items[3].place == str(tmp_path / "a.parquet row 3")


@pytest.mark.parametrize(
    ("labels", "found", "classes"),
    [
        ([0, 1, -1, None, 1, 0], ["0", "1", None, None, "1", "0"], ("0", "1")),
        (["b", "", None, "a", "b", "a"], ["b", None, None, "a", "b", "a"], ("a", "b")),
        ([2.0, None, 10.0, float("nan"), 2.0, 10.0], ["2", None, "10", None, "2", "10"], ("2", "10")),
    ],
)
def test_labels_are_text_or_whole_numbers(labels: list, found: list, classes: tuple, tmp_path: Path) -> None:
    listing = list_records(tmp_path, [write(tmp_path / "a.parquet", label=labels)], "a", "Parquet file")
    assert [item.label for item in listing.items] == found and listing.classes == classes


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": [0.5, 1, 1, 1, 1, 1]}, "has the label 0.5: expected text or a whole number"),
        ({"label": [-2, 1, 1, 1, 1, 1]}, "has the label -2: expected 0 or more, or -1 for unlabeled"),
        ({"label": [[1], [1], [1], [1], [1], [1]]}, "expected text or a whole number"),
        ({"label": ["=1", "a", "a", "a", "a", "a"]}, "spreadsheets run as a formula"),
    ],
)
def test_labels_that_are_no_classes_are_faults(columns: dict, message: str, tmp_path: Path) -> None:
    listing = list_records(tmp_path, [write(tmp_path / "a.parquet", **columns)], "a", "Parquet file")
    assert any(message in fault for fault in listing.faults)


def test_what_holds_no_images_is_a_fault_that_names_the_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), tmp_path / "a.parquet")
    (fault,) = list_records(tmp_path, [tmp_path / "a.parquet"], "a", "Parquet file").faults
    assert "no single column of images" in fault and "text, label" in fault
    two = {"left": [png(0)], "right": [png(1)], "label": [1]}
    pq.write_table(pa.table(two), tmp_path / "b.parquet")
    (fault,) = list_records(tmp_path, [tmp_path / "b.parquet"], "a", "Parquet file").faults
    assert "several do: left, right" in fault
    (tmp_path / "c.parquet").write_bytes(b"PAR1 no parquet")
    (fault,) = list_records(tmp_path, [tmp_path / "c.parquet"], "a", "Parquet file").faults
    assert "c.parquet is not a readable file of records" in fault


def test_an_image_that_is_missing_or_gone_is_named(tmp_path: Path) -> None:
    picture(70).save(tmp_path / "there.png")
    images = [
        {"bytes": None, "path": None},
        {"bytes": None, "path": "gone.png"},
        {"bytes": None, "path": "there.png"},
        {"bytes": b"no image", "path": None},
    ]
    pq.write_table(pa.table({"image": images, "label": ["a", "b", "a", "b"]}), tmp_path / "a.parquet")
    found = check_images(DataConfig(path=str(tmp_path / "a.parquet")))
    said = "\n".join(found.faults)
    assert "a.parquet row 0 is empty" in said and "row 1 names the file 'gone.png', which is not there" in said
    assert "row 3" in said and "row 2" not in said
    items = list_images(str(tmp_path / "a.parquet")).items
    (tmp_path / "a.parquet").unlink()
    assert all(isinstance(one, Unreadable) for one in read_pixels(items, size=8, channels=3))


def test_splits_of_a_repository_are_told_by_the_names_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name, count in (("train-00000-of-00002", 6), ("train-00001-of-00002", 4), ("validation-00000-of-00001", 2)):
        write(tmp_path / "data" / f"{name}.parquet", count)
    (tmp_path / "README.md").write_text("a card")
    splits = list_image_splits(str(tmp_path))
    assert {split: len(listing.items) for split, listing in splits.items()} == {"train": 10, "val": 2}
    assert not [fault for listing in splits.values() for fault in listing.faults]
    assert len(list_images(str(tmp_path), role="predict").items) == 12
    assert len(list_images(str(tmp_path), role="unlabeled").items) == 10
    assert all(item.label is None for item in list_images(str(tmp_path), role="predict").items)


def test_a_table_of_labels_is_refused_beside_records(tmp_path: Path) -> None:
    (listing,) = list_image_splits(str(write(tmp_path / "a.parquet")), "labels.csv").values()
    assert "has its own labels" in listing.faults[0]


def test_the_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise record_file.MissingReader

    monkeypatch.setattr(record_file, "_arrow", missing)
    (fault,) = list_records(tmp_path, [write(tmp_path / "a.parquet")], "a", "Parquet file").faults
    assert fault.endswith("a needs the package 'pyarrow' to be read: pip install 'tutelage[hf]'")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the package datasets writes: saved/, dict/, and parquet/."""
    datasets = pytest.importorskip("datasets")
    root = tmp_path_factory.mktemp("saved")
    kinds = {"image": datasets.Image(), "kind": datasets.ClassLabel(names=["dog", "cat", "never"])}
    rows = {"image": [picture(10 * number) for number in range(10)], "kind": [0, 1] * 4 + [-1, -1]}
    made = datasets.Dataset.from_dict(rows, features=datasets.Features(kinds))
    datasets.disable_progress_bars()
    made.save_to_disk(str(root / "saved"), num_shards=2)
    whole = {"train": made, "validation": made.select([0, 1]), "extra": made.select([0])}
    datasets.DatasetDict(whole).save_to_disk(str(root / "dict"))
    (root / "parquet").mkdir()
    made.to_parquet(str(root / "parquet" / "train.parquet"))
    return root


@pytest.mark.long
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("form", ["saved", "dict", "parquet"])
def test_what_the_package_datasets_writes_is_read(form: str, saved: Path) -> None:
    splits = list_image_splits(str(saved / form))
    train = splits["train"]
    assert not train.faults and train.classes == ("dog", "cat")
    assert [item.label for item in train.items] == ["dog", "cat"] * 4 + [None, None]
    assert shades(train.items) == [10 * number for number in range(10)]
    assert set(splits) == ({"train", "val"} if form == "dict" else {"train"})
    if form == "dict":
        assert any("splits of other names were skipped: extra" in said for said in train.warnings)
    else:
        assert any("the labels are those of the column 'kind'" in said for said in train.warnings)


@pytest.mark.long
@pytest.mark.filterwarnings("default")
def test_a_saved_dataset_is_trained_on_and_predicted(saved: Path, tmp_path: Path) -> None:
    brief: dict[str, Any] = {"method": "supervised", "preset": "none", "network": "small", "steps": 4, "batch_size": 4}
    run = tutelage.train(saved / "saved", out=tmp_path / "run", device="cpu", settings={"network.width": 4}, **brief)
    found = tutelage.predict(run, saved / "dict")
    assert len(found) == len(set(found.names)) == 12 and not any(found.errors) and found.classes == ("dog", "cat")


def test_no_table_of_labels_can_be_written_for_records(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet")
    assert is_archive(str(tmp_path)) and is_archive(str(tmp_path / "a.parquet"))
    with pytest.raises(DataError, match="no folder of images"):
        require_folder(str(tmp_path))
    (tmp_path / "a.parquet").unlink()
    assert not is_archive(str(tmp_path))


def test_a_damaged_state_names_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}")
    (fault,) = list_image_splits(str(tmp_path))["train"].faults
    assert "state.json does not name the files of a dataset" in fault
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../data.arrow"}]}))
    (fault,) = list_image_splits(str(tmp_path))["train"].faults
    assert fault.endswith(f"{tmp_path / 'data.arrow'} does not exist")
