"""Tables and lists that no reader can take, and what is no file at all: a part of the catalogue of wrong inputs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from support.users_files import Case, last

LABELED = [{"path": f"{name}.png", "label": "cd"[name > "b"]} for name in "abcd"]
FORMS = r'expected \[\{"path": "a.png", "label": "cat"\}, \.\.\.\], \{"a.png": "cat", \.\.\.\}, or an export of Label'


def in_json(content: str | bytes | object) -> Callable[[Any], list[str]]:
    """Training with labels in a JSON file of that content."""

    def arrange(w: Any) -> list[str]:
        command: list[str] = w.table("path,label\n", "labels.json")
        w.write("labels.json", content if isinstance(content, str | bytes) else json.dumps(content))
        return command

    return arrange


JSON: dict[str, Case] = {
    "JSON that ends within a list": (
        in_json('[{"path": "a.png",\n"label" "cat"}'),
        r"labels.json is no JSON file of labels: line 2, column 9: expecting ':' delimiter",
    ),
    "JSON with a number of 5,000 digits": (
        in_json("[" + "9" * 5000 + "]"),
        r"labels.json is no JSON file of labels: it holds a number of more than 4,300 digits",
    ),
    "JSON nested 100,000 deep": (in_json("[" * 100_000), r"labels.json is no JSON file of labels: it is nested too de"),
    "JSON of other bytes": (in_json(b'["\xff\xe4"]'), r"labels.json is no JSON file of labels: it is not UTF-8"),
    "an empty JSON file": (in_json(""), r"labels.json is no JSON file of labels: it is empty"),
    "a list of names": (in_json(["a.png"]), FORMS + r".*got a list of text"),
    "an object of another tool": (
        in_json({"images": [], "annotations": []}),
        FORMS + r".*got an object with 'images', 'annotations'",
    ),
    "a list of images without labels": (in_json([{"path": "a.png"}]), FORMS + ".*got a list of an object with 'path'"),
    "a JSON file that is a number": (in_json(7), FORMS + ".*got the value 7"),
    "a list with an image that is not there": (
        in_json([*LABELED, {"path": "z.png", "label": "c"}]),
        r"labels.json entry 5: 'z.png' is not a file in",
    ),
    "a list with a label that is a list": (
        in_json([*LABELED, {"path": "e.png", "label": ["c"]}]),
        r"labels.json entry 5: the label \['c'\] is of type list: expected text or a whole number",
    ),
    "a list with an entry of another form": (
        in_json([*LABELED, "e.png"]),
        r"labels.json entry 5: expected an object with a path and a label",
    ),
    "an object with a path twice": (
        in_json('{"a.png": "c", "b.png": "d", "a.png": "d"}'),
        r"labels.json is no JSON file of labels: 'a.png' is there twice",
    ),
    "an object with a label that is a fraction": (
        in_json({"a.png": 0.5, "b.png": 1}),
        r"labels.json 'a.png': the label 0.5 is of type float: expected text or a whole number",
    ),
    "a label in JSON that is white space": (in_json({"a.png": "  ", "b.png": 1}), "'a.png': the label is only white"),
}

ROWS = "path,label\na.png,cat\nb.png,cat\nc.png,dog\nd.png,dog\n"
CSV: dict[str, Case] = {
    "a table of old line ends with a wrong path": (
        lambda w: w.table((ROWS + "z.png,cat\n").replace("\n", "\r")),
        r"labels.csv line 6: 'z.png' is not a file in",
    ),
    "text behind a quotation mark": (
        lambda w: w.table(ROWS + '"e.png"x,cat\nf.png,cat\n'),
        r"labels.csv line 6: is a quotation mark left open\? A cell in quotation marks ends with one",
    ),
    "a quotation mark left open for many lines": (
        lambda w: w.table(ROWS + '"e.png,cat\n' + "f.png,cat\n" * 90),
        r"labels.csv line 6: is a quotation mark left open\?",
    ),
    "tags in an encoding that does not exist": (
        lambda w: (
            last(w.table(ROWS, "l.xml"), w.write("l.xml", '<?xml version="1.0" encoding="x"?><a/>'))
            and [*w.train, "--labels", "l.xml"]
        ),
        r"l.xml line 1: is no XML: unknown encoding|its encoding is not known",
    ),
}


def beside(name: str, make: Callable[[Any, str], object]) -> Callable[[Any], list[str]]:
    """Training on images in a flat folder, with something else of that name among them."""

    def arrange(w: Any) -> list[str]:
        w.image(*(f"photos/{image}.png" for image in "abcdefgh"))
        make(w, f"photos/{name}")
        return list(w.train)

    return arrange


def pipe(w: Any, name: str) -> None:
    os.mkfifo(w.path(name))


def link(target: str) -> Callable[[Any, str], None]:
    return lambda w, name: w.path(name).symlink_to(target)


def scans_with(content: str | bytes | None) -> Callable[[Any], list[str]]:
    """Training on slices with masks beside a dataset.json of that content; None is a pipe."""

    def arrange(w: Any) -> list[str]:
        for name in "abc":
            w.image(f"photos/images/{name}.png", f"photos/labels/{name}.png")
        pipe(w, "photos/dataset.json") if content is None else w.write("photos/dataset.json", content)
        return ["train", "photos", "--out", "runs/a", "--device", "cpu", "--steps", "2"]

    return arrange


SPECIAL: dict[str, Case] = {
    "a table beside the images that is a pipe": (
        beside("labels.csv", pipe),
        r"photos/labels.csv cannot be read: it is a pipe: expected a regular file",
    ),
    "a table beside the images that is a broken link": (
        beside("labels.csv", link("gone.csv")),
        r"photos/labels.csv: no such file: expected a CSV file",
    ),
    "a table beside the images that links to itself": (
        beside("labels.csv", link("labels.csv")),
        r"photos/labels.csv: no such file: expected a CSV file",
    ),
    "a pipe for photos": (lambda w: last(pipe(w, "photos"), w.train), r"photos is a pipe; expected class folders"),
    "a dataset.json that is a pipe": (
        scans_with(None),
        r"photos/dataset.json cannot be read: it is a pipe: expected a regular file; restore it, or move it away",
    ),
    "a dataset.json cut in half": (
        scans_with('{"labels": {"0": "backg'),
        r"photos/dataset.json is no JSON: line 1, column 18: unterminated string.*; restore it, or move it away",
    ),
    "a dataset.json that is empty": (scans_with(""), r"photos/dataset.json is no JSON: it is empty; restore it"),
    "a dataset.json of other bytes": (scans_with(b"\xff\x00\xd8"), r"photos/dataset.json is no JSON: "),
    "a dataset.json whose labels are a number": (
        scans_with('{"labels": 3, "training": []}'),
        r"photos/dataset.json is not a readable dataset.json: expected an object with 'labels'",
    ),
    "a dataset.json with channels that are a number": (
        scans_with('{"labels": {"background": 0}, "channel_names": 4}'),
        r"photos/dataset.json is not a readable dataset.json: its values are not those of",
    ),
    "a dataset.json that lacks a file": (
        scans_with('{"labels": {"0": "b"}, "training": ["./images/z.nii"]}'),
        r"photos/dataset.json names .*photos/images/z.nii, which is not a file",
    ),
}

DAMAGED_TABLES: dict[str, Case] = JSON | CSV | SPECIAL

FINE: dict[str, Callable[[Any], list[str]]] = {
    "labels in a list of JSON": in_json(LABELED),
    "labels in an object of JSON": in_json({"a.png": 0, "b.png": 1, "c.png": None, "d.png": "1"}),
    "old line ends": lambda w: w.table(ROWS.replace("\n", "\r")),
    "mixed line ends": lambda w: w.table(ROWS.replace("\n", "\r\n", 2)),
}
