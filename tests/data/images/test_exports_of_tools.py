"""Labels from exports of Label Studio and CVAT."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tutelage.data.images.label_files import placed, read_labels
from tutelage.data.images.source import list_image_splits
from tutelage.data.images.tables import Row


def choice(*names: str, kind: str = "choices", by: str = "choice") -> dict[str, Any]:
    return {"from_name": by, "to_name": "image", "type": kind, "value": {"choices": list(names)}}


def task(image: str = "a.png", *results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 7, "data": {"image": image}, "annotations": [{"result": list(results)}]} | more


def studio(tmp_path: Path, *tasks: Any) -> tuple[list[Row], list[str]]:
    file = tmp_path / "export.json"
    file.write_text(json.dumps(list(tasks)))
    return read_labels(file)


def cvat(tmp_path: Path, inner: str) -> tuple[list[Row], list[str]]:
    file = tmp_path / "export.xml"
    file.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n{inner}\n</annotations>\n')
    return read_labels(file)


def test_choices_of_people_are_labels_and_predictions_are_not(tmp_path: Path) -> None:
    tasks = [
        task("a.png", choice("cat")),
        task("b.png") | {"predictions": [{"result": [choice("dog")]}]},
        {"data": {"image": "c.png"}},
        task("d.png", annotations=[{"was_cancelled": True, "result": [choice("cow")]}, {"result": [choice(" cat ")]}]),
    ]
    rows, faults = studio(tmp_path, *tasks)
    assert not faults and {row.path: row.label for row in rows} == {
        "a.png": "cat",
        "b.png": None,
        "c.png": None,
        "d.png": "cat",
    }
    assert [row.spot for row in rows] == ["task 1 (id 7)", "task 2 (id 7)", "task 3", "task 4 (id 7)"]


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/data/local-files/?d=photos/sub/a%20b.png", "photos/sub/a b.png"),
        ("/data/upload/3/0a1b2c3d-a.png", "data/upload/3/0a1b2c3d-a.png"),
        ("s3://bucket/photos/a.png", "photos/a.png"),
        ("https://example.org:80/photos/a.png?x=1#y", "photos/a.png"),
        ("photos\\a.png", "photos/a.png"),
        ("a.png", "a.png"),
    ],
)
def test_the_path_is_that_below_the_host_and_the_folders_of_the_tool(tmp_path: Path, address: str, path: str) -> None:
    rows, faults = studio(tmp_path, task(address, choice("cat")))
    assert not faults and rows[0].path == path
    other = {"data": {"photo": address, "text": "what is it?"}, "annotations": []}
    assert studio(tmp_path, other)[0][0].path == path


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("x", r"task 1: expected an object, got text"),
        ({"image": "a.png", "choice": "cat"}, r"task 1: has no 'data': this is JSON-MIN; export as JSON"),
        ({"id": 3, "data": [1]}, r"task 1 \(id 3\): 'data' must be an object, got a list"),
        ({"data": {"image": 5}}, r"task 1: 'data\.image' must be text, got a number"),
        ({"data": {"one": "a.png", "two": "b.png"}}, r"task 1: expected one image in 'data', .*, got one, two"),
        ({"data": {"image": "http://[a/b.png"}}, r"task 1: 'http://\[a/b\.png' is no address"),
        (task(annotations={}), r"'annotations' must be a list, got an object"),
        (task(annotations=[None]), r"annotations\[0\] must be an object, got null"),
        (task(annotations=[{}]), r"'annotations\[0\]\.result' must be a list, got nothing"),
        (task("a.png", {"value": {}}), r"'annotations\[0\]\.result\[0\]\.type' must be text, got nothing"),
        (task("a.png", choice() | {"value": 3}), r"result\[0\]\.value' must be an object, got a number"),
        (task("a.png", choice("a", "b")), r"result\[0\]\.value\.choices has 2 choices: an image has one class here"),
        (task("a.png", choice(" ")), r"choices\[0\] must be the name of a class, got ' '"),
        (task("a.png", choice(kind="rectanglelabels")), r"holds rectanglelabels and no choices"),
        (task("a.png", choice("a"), choice("b", by="other")), r"holds choices of 'choice' and 'other'"),
        (
            task(annotations=[{"result": [choice("cat")]}, {"result": [choice("dog")]}]),
            r"annotations disagree: 'cat' in annotations\[0\] and 'dog' in annotations\[1\]: keep one",
        ),
    ],
)
def test_a_wrong_task_is_named_with_its_field(tmp_path: Path, made: Any, said: str) -> None:
    rows, faults = studio(tmp_path, made, task("b.png", choice("cat")))
    assert len(rows) == 1 and len(faults) == 1
    assert faults[0].startswith(str(tmp_path / "export.json"))
    assert re.search(said, faults[0]), faults[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no JSON file"),
        (b"\xff\xfe\x00", "is no JSON file"),
        (b"[" * 200_000, "is no JSON file"),
        (b'{"data": {}}', 'expected [{"path": "a.png", "label": "cat"}, ...]'),
        (b"[]", "has no tasks"),
        (b"[" + b"9" * 5000 + b"]", "is no JSON file"),
        (b'{"a.png": NaN, "b.png": "cat"}', "it holds NaN, which is no value of JSON: write null"),
        (b'[{"path": "a.png", "label": -Infinity}]', "it holds -Infinity, which is no value of JSON: write null"),
    ],
)
def test_a_file_that_is_no_export_of_label_studio_is_one_fault(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "export.json"
    file.write_bytes(content)
    rows, faults = read_labels(file)
    assert not rows and len(faults) == 1 and said in faults[0]


def test_tags_of_people_are_labels_and_automatic_ones_are_not(tmp_path: Path) -> None:
    rows, faults = cvat(
        tmp_path,
        "<version>1.1</version><meta><task><labels><label><name>cat</name></label></labels></task></meta>\n"
        '<image id="0" name="a.png" width="4" height="4"><tag label="cat" source="manual"/></image>\n'
        '<image id="1" name="sub\\b.png"><tag label="dog" source="auto"></tag></image>\n'
        '<image name="c.png"><tag label="dog"><attribute name="tag">x</attribute></tag><box label="cat"/></image>'
        '<image id="3" name="d.png"/>',
    )
    assert not faults
    found = [(row.path, row.label, row.spot) for row in rows]
    assert found[:2] == [("a.png", "cat", "line 4"), ("sub/b.png", None, "line 5")]
    assert found[2:] == [("c.png", "dog", "line 6"), ("d.png", None, "line 6")]


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("bcdefgh", "cdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB + "]><annotations>&i;</annotations>", "line 1: has a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>', "line 1: has a document type"),
        ("<annotations>&unknown;</annotations>", "line 1: is no XML: undefined entity"),
        ("<annotations>\n<image name='a.png'>", "line 2: is no XML: no element found"),
        ("", "line 1: is no XML: no element found"),
        ("<html></html>", "line 1: expected <annotations> of 'CVAT for images 1.1', got <html>"),
        ("<annotations>\n<track/></annotations>", "line 2: has a <track>, of a video"),
        ("<annotations>" + "<a>" * 100, "line 1: more than 32 elements within each other"),
        ("<annotations/>", "has no images: expected an export of CVAT"),
        ("<annotations><image name='a.png'><box label='c'/></image></annotations>", "has shapes (box) and no tags"),
        ("<annotations><image id='1'/></annotations>", "line 1: <image> has no 'name'"),
        ("<annotations><image name='a.png'><tag/></image></annotations>", "<tag> of image 'a.png' has no 'label'"),
        (
            "<annotations><image name='a.png'>\n<tag label='x'/>\n<tag label='y'/></image></annotations>",
            "line 1: image 'a.png' has the tags 'x' (line 2) and 'y' (line 3): an image has one class here",
        ),
        ("<?xml version='1.0' encoding='none'?><annotations/>", "line 1: "),
    ],
)
def test_a_file_that_is_no_export_of_cvat_is_a_fault_that_names_the_line(
    tmp_path: Path, content: str, said: str
) -> None:
    file = tmp_path / "export.xml"
    file.write_text(content)
    _, faults = read_labels(file)
    assert len(faults) == 1 and said in faults[0] and str(file) in faults[0]


def rows_of(*paths: str) -> list[Row]:
    return [Row(0, path, "cat", where=f"task {number}", imported=True) for number, path in enumerate(paths, start=1)]


def test_images_are_found_below_other_folders_than_those_of_the_tool() -> None:
    images = ["a.png", "sub/a.png", "sub/b.png", "other/b.png", "c.png"]
    given = ["x/photos/a.png", "photos/sub/a.png", "other/b.png", "data/upload/1/0a1b2c3d-c.png", "d.png", "a.png"]
    rows, faults = placed(rows_of(*given), images)
    assert not faults
    assert [row.path for row in rows] == ["a.png", "sub/a.png", "other/b.png", "c.png", "d.png", "a.png"]
    rows, faults = placed(rows_of("b.png"), images)
    assert not rows and faults == [
        "task 1: 'b.png' may be 'sub/b.png' or 'other/b.png': name the folder that it lies in"
    ]
    plain = [Row(2, "x/a.png", "cat")]
    assert placed(plain, images) == (plain, [])  # paths of tables are meant as they are


@pytest.mark.parametrize("ending", [".json", ".xml"])
def test_a_folder_takes_its_labels_from_an_export(tmp_path: Path, ending: str) -> None:
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.png", "c.png"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(root / name)
    names = ["photos/a.png", "photos/sub/b.png", "gone.png"]
    if ending == ".json":
        studio(tmp_path, *(task(f"/data/local-files/?d={name}", choice("cat")) for name in names))
    else:
        cvat(tmp_path, "".join(f'<image name="{name}"><tag label="cat"/></image>\n' for name in names))
    found = list_image_splits(str(root), str(tmp_path / f"export{ending}"))["train"]
    assert {item.name: item.label for item in found.items} == {"a.png": "cat", "sub/b.png": "cat", "c.png": None}
    assert len(found.faults) == 1 and "'gone.png' is not a file in" in found.faults[0]
    assert f"export{ending} {'task 3 (id 7)' if ending == '.json' else 'line 5'}: " in found.faults[0]
