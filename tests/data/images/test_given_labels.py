"""Labels that Python code hands over: the same checks as of a file, naming the row or the key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tutelage.core.errors import DataError
from tutelage.data.images.given_labels import label_file
from tutelage.data.images.items import ImageListing
from tutelage.data.images.source import list_image_splits


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "photos"
    (root / "x").mkdir(parents=True)
    for name in ("a.png", "b.png", "c.png", "x/d.png"):
        Image.new("L", (4, 4)).save(root / name)
    return root


@contextmanager
def listing(photos: Path, labels: Any) -> Iterator[ImageListing]:
    with label_file(labels) as table:
        assert table is not None
        yield list_image_splits(str(photos), table)["train"]


def frame(paths: list[Any], labels: list[Any], **more: Any) -> pd.DataFrame:
    return pd.DataFrame({"path": paths, "label": labels}, **more)


@pytest.mark.parametrize(
    "labels",
    [
        frame(["a.png", "x/d.png", "b.png"], ["cat", "dog", None]),
        frame([Path("a.png"), "x/d.png"], ["cat", "dog"]).assign(place="home"),
        {"a.png": "cat", Path("x/d.png"): "dog", "c.png": ""},
        pd.Series({"a.png": "cat", "x/d.png": "dog", "c.png": np.nan}),
    ],
    ids=["frame", "frame with more columns", "dict", "series"],
)
def test_a_frame_and_a_mapping_are_a_label_table(photos: Path, labels: Any) -> None:
    with listing(photos, labels) as found:
        assert {item.name: item.label for item in found.items} == {
            "a.png": "cat",
            "b.png": None,
            "c.png": None,
            "x/d.png": "dog",
        }
        assert (found.faults, found.warnings, found.classes) == ([], [], ("cat", "dog"))
        assert found.kind == "folder with labels given in Python"


def test_whole_numbers_are_names_also_beside_missing_ones(photos: Path) -> None:
    with listing(photos, frame(["a.png", "b.png", "c.png"], [2, np.nan, 10])) as found:
        assert [item.label for item in found.items] == ["2", None, "10", None] and found.classes == ("2", "10")


@pytest.mark.parametrize(
    ("labels", "faults"),
    [
        (frame(["a.png", "z.png"], ["cat", "dog"]), ["labels row 1: 'z.png' is not a file in {root}"]),
        (frame(["/x/A.png", "/y/A.png"], ["cat"] * 2), ["labels row 1: '/y/A.png' lies outside {root}"]),
        ({"z.png": "cat"}, ["labels['z.png']: 'z.png' is not a file in {root}"]),
        (frame(["a.png", "a.png"], ["cat", "dog"]), ["is labeled 'dog' here and 'cat' in labels row 0"]),
        (frame(["", None], ["cat"] * 2), ["labels row 0: the path is empty", "labels row 1: the path is empty"]),
        (frame(["a.png"], ["  "]), ["labels row 0: the label is only white space: leave it empty"]),
        ({"../a.png": "cat"}, ["labels['../a.png']: '../a.png' lies outside {root}"]),
    ],
)  # fmt: skip
def test_faults_are_those_of_a_file_and_name_the_row_or_the_key(photos: Path, labels: Any, faults: list[str]) -> None:
    with listing(photos, labels) as found:
        assert len(found.faults) == len(faults)
        for fault, expected in zip(found.faults, faults, strict=True):
            assert expected.format(root=photos) in fault
            assert "tutelage-" not in fault and "line" not in fault


def test_rows_that_repeat_a_path_are_a_warning(photos: Path) -> None:
    with listing(photos, frame(["a.png", "b.png", "a.png"], ["cat", "dog", "cat"])) as found:
        assert found.warnings == ["labels: 1 rows repeat a path with the same label (first: labels row 2)"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (pd.DataFrame({"path": ["a.png"], "class": ["cat"]}), r"'label' is missing: .* got \['path', 'class'\]"),
        (pd.DataFrame([["a", "b", "c"]], columns=["path", "label", "label"]), "the column 'label' appears twice"),
        ({"a.png": 1.5}, r"labels\['a.png'\]: the label 1.5 is of type float: expected text or a whole number"),
        ({"a.png": ["cat"]}, "is of type list"),
        ({}, "labels has no rows"),
        (["cat", "dog"], "labels of type list cannot be read: expected the path of a CSV file, a DataFrame"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message), label_file(labels):
        pass


def test_a_path_is_left_as_it_is_and_the_file_is_gone_afterwards(photos: Path) -> None:
    with label_file("labels.csv") as table:
        assert table == "labels.csv"
    with label_file(None) as table:
        assert table is None
    with label_file({"a.png": "cat"}) as table:
        assert table is not None and Path(table).is_file()
    assert not Path(table).exists()
