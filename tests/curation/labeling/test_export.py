"""The sorted pile in the formats of other tools."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tutelage.core.errors import ConfigError, RunError
from tutelage.curation.labeling.export import Kind, export
from tutelage.curation.labeling.sorted_pile import SortedPile
from tutelage.data.images.items import Files, Item
from tutelage.data.images.source import list_image_splits


def sorted_pile(root: Path, classes: tuple[str, ...] = ("cat", "dog")) -> SortedPile:
    """Five images: two labels of a person, two of the model, one without."""
    names = ["a/x.png", "b/x.png", "=c d.png", "e.png", "ü&.png"]
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 6 + number, 3), 40 * number, np.uint8)).save(root / name)
    store = Files(root)
    label, human = np.array([0, 0, 1, -1, 1]), np.array([True, False, True, False, False])
    confidence = np.array([1.0, 0.75, 1.0, 0.5, 0.625], np.float32)
    return SortedPile([Item(name, None, store, name) for name in names], classes, label, human, confidence)


def test_a_table_has_who_said_what(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert export(sorted_pile(tmp_path / "in"), "csv", out) == 4
    assert pd.read_csv(out, keep_default_na=False, dtype=str).to_numpy().tolist() == [
        ["a/x.png", "cat", "human", ""],
        ["b/x.png", "cat", "model", "0.7500"],
        ["./=c d.png", "dog", "human", ""],
        ["ü&.png", "dog", "model", "0.6250"],
    ]


@pytest.mark.parametrize(("kind", "ending"), [("label-studio", ".json"), ("cvat", ".xml")])
def test_what_is_exported_to_another_tool_comes_back_as_labels(tmp_path: Path, kind: Kind, ending: str) -> None:
    export(sorted_pile(tmp_path / "in"), kind, tmp_path / f"out{ending}")
    found = list_image_splits(str(tmp_path / "in"), str(tmp_path / f"out{ending}"))["train"]
    assert not found.faults and {item.name: item.label for item in found.items} == {
        "a/x.png": "cat",
        "b/x.png": None,  # labels of the model are none
        "=c d.png": "dog",
        "e.png": None,
        "ü&.png": None,
    }


@pytest.mark.parametrize("links", [True, False])
def test_class_folders_are_a_source_of_training(tmp_path: Path, links: bool) -> None:
    pile, out = sorted_pile(tmp_path / "in"), tmp_path / "out"
    export(pile, "folders", out, links=links)
    found = sorted(str(path.relative_to(out)) for path in out.rglob("*.png"))
    assert found == ["cat/a__x.png", "cat/b__x.png", "dog/=c d.png", "dog/ü&.png", "unlabeled/e.png"]
    assert all(path.is_symlink() == links for path in out.rglob("*.png"))
    assert (out / "cat" / "b__x.png").read_bytes() == (tmp_path / "in" / "b" / "x.png").read_bytes()
    splits = list_image_splits(str(out))
    assert splits["train"].classes == ("cat", "dog") and not splits["train"].faults
    with pytest.raises(RunError, match="exists"):
        export(pile, "folders", out)


def test_names_that_become_the_same_are_told_apart(tmp_path: Path) -> None:
    root = tmp_path / "in"
    names = ["a/x.png", "a__x-2.png", "a__x.png", "A__x.png"]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    store = Files(root)
    pile = SortedPile(
        [Item(name, None, store, name) for name in names],
        ("cat",),
        np.zeros(4, np.int64),
        np.ones(4, bool),
        np.ones(4, np.float32),
    )
    export(pile, "folders", tmp_path / "out", links=False)
    files = list((tmp_path / "out" / "cat").iterdir())
    assert sorted(path.read_text() for path in files) == sorted(names)
    assert len({path.name.lower() for path in files}) == 4  # on a disk that ignores case, too


@pytest.mark.parametrize("name", ["..", "a/b", ".hidden", "Unlabeled", "test", "a:b"])
def test_a_class_that_is_no_folder_is_refused_and_nothing_is_left(tmp_path: Path, name: str) -> None:
    pile = sorted_pile(tmp_path / "in", ("cat", name))
    with pytest.raises(ConfigError, match="cannot be the name of a folder"):
        export(pile, "folders", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_missing_file_leaves_no_half_of_the_folders(tmp_path: Path) -> None:
    pile = sorted_pile(tmp_path / "in")
    (tmp_path / "in" / "e.png").unlink()
    with pytest.raises(RunError, match="cannot write"):
        export(pile, "folders", tmp_path / "out", links=False)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_label_studio_gets_annotations_of_people_and_predictions_of_the_model(tmp_path: Path) -> None:
    export(sorted_pile(tmp_path / "in"), "label-studio", tmp_path / "out.json")
    tasks = json.loads((tmp_path / "out.json").read_text())
    assert [task["data"]["image"] for task in tasks] == [
        f"/data/local-files/?d={name}" for name in ("a/x.png", "b/x.png", "%3Dc%20d.png", "e.png", "%C3%BC%26.png")
    ]
    assert [sorted(set(task) - {"data"}) for task in tasks] == [
        ["annotations"],
        ["predictions"],
        ["annotations"],
        [],
        ["predictions"],
    ]
    result = {"from_name": "choice", "to_name": "image", "type": "choices", "value": {"choices": ["cat"]}}
    assert tasks[0]["annotations"] == [{"result": [result]}]
    assert tasks[1]["predictions"] == [{"model_version": "tutelage", "score": 0.75, "result": [result]}]


def test_cvat_gets_a_tag_for_each_image(tmp_path: Path) -> None:
    export(sorted_pile(tmp_path / "in"), "cvat", tmp_path / "out.xml")
    root = ElementTree.parse(tmp_path / "out.xml").getroot()
    images = root.findall("image")
    assert root.tag == "annotations" and root.findtext("version") == "1.1"
    assert images[4].attrib == {"id": "4", "name": "ü&.png", "width": "10", "height": "4"}
    tags = [[tag.attrib for tag in image.findall("tag")] for image in images]
    assert tags[0] == [{"label": "cat", "source": "manual"}] and tags[1] == [{"label": "cat", "source": "auto"}]
    assert tags[3] == []


def test_wrong_kinds_and_endings_are_refused(tmp_path: Path) -> None:
    pile = sorted_pile(tmp_path / "in")
    with pytest.raises(ConfigError, match="expected one of csv, folders, label-studio, cvat, got 'coco'"):
        export(pile, "coco", tmp_path / "out.json")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"must end in \.xml"):
        export(pile, "cvat", tmp_path / "out.json")
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(RunError, match="exists"):
        export(pile, "csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "mine"


def test_a_class_without_an_image_gets_no_folder(tmp_path: Path) -> None:
    export(sorted_pile(tmp_path / "in", ("cat", "dog", "bird", "a/b")), "folders", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["cat", "dog", "unlabeled"]
