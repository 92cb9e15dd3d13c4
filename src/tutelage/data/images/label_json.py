"""Labels in a JSON file: a list of images with labels, an object of labels by path, or an export of another tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tutelage.core.json_text import JsonFault, parse_json
from tutelage.core.names import shown
from tutelage.core.regular import read_regular
from tutelage.data.images.fiftyone import is_fiftyone, rows_of_fiftyone
from tutelage.data.images.given_labels import label_text
from tutelage.data.images.label_studio import tasks_of
from tutelage.data.images.tables import Row, is_image_column

KNOWN = '[{"path": "a.png", "label": "cat"}, ...], {"a.png": "cat", ...}, or an export of Label Studio as JSON'
_OF_TASKS = ("data", "annotations", "completions", "choice", "id")
_LARGEST = 1 << 29  # bytes of a file


def read_label_json(file: Path) -> tuple[list[Row], list[str]]:
    """The rows of a file, and its faults, each naming the file and the place in it.

    A label is text or a whole number; null and "" mean unlabeled. Paths are those of a label table.
    """
    name = shown(str(file))
    try:
        if file.stat().st_size > _LARGEST:
            return [], [f"{name} has more than {_LARGEST >> 20} MiB: expected a file of labels"]
        value = parse_json(read_regular(file), unique=True)
    except OSError as error:
        return [], [f"{name} cannot be read: {error.strerror}"]
    except JsonFault as fault:
        return [], [f"{name} is no JSON file of labels: {fault}"]
    if is_fiftyone(value):
        return rows_of_fiftyone(value, name)
    if isinstance(value, list) and value and any(map(_is_plain, value)):
        return _rows(name, _listed(value))
    if isinstance(value, dict) and value and not any(isinstance(one, dict | list) for one in value.values()):
        return _rows(name, ((f"'{shown(path)}'", path, label) for path, label in value.items()))
    if not isinstance(value, list) or (value and not any(map(_is_task, value))):
        return [], [f"{name} holds no labels in a form that is known here: expected {KNOWN}, got {_holds(value)}"]
    return tasks_of(value, name)


def _is_task(entry: Any) -> bool:
    """Whether an entry may be meant as a task of Label Studio, in any of its forms."""
    return isinstance(entry, dict) and any(key in entry for key in _OF_TASKS)


def _is_plain(entry: Any) -> bool:
    """Whether an entry of a list names an image and its label, and is no task of Label Studio."""
    return isinstance(entry, dict) and "data" not in entry and "label" in entry and _path_key(entry) is not None


def _path_key(entry: Mapping[str, Any]) -> str | None:
    names = [key for key in entry if is_image_column(key.lower())]
    return "path" if "path" in entry else names[0] if len(names) == 1 else None


def _listed(entries: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    """The place, the path and the label of each entry; both are None of one that is of another form."""
    for number, entry in enumerate(entries, start=1):
        key = _path_key(entry) if isinstance(entry, dict) else None
        yield f"entry {number}", None if key is None else entry[key], None if key is None else entry.get("label")


def _rows(name: str, entries: Iterator[tuple[str, Any, Any]]) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    faults: list[str] = []
    for spot, path, label in entries:
        if not isinstance(path, str) or not path.strip():
            faults.append(f"{name} {spot}: expected an object with a path and a label, as in {KNOWN}")
            continue
        try:
            text = label_text(label)
        except ValueError as error:
            faults.append(f"{name} {spot}: {error}")
            continue
        if text and not text.strip():
            faults.append(f"{name} {spot}: the label is only white space: leave it empty for an unlabeled image")
            continue
        rows.append(Row(0, path, text.strip() or None, where=spot))
    return rows, faults


def _holds(value: Any) -> str:
    """What a value of JSON is, in words, with the first keys of an object."""
    if isinstance(value, list):
        return f"a list of {_holds(value[0])}"
    if isinstance(value, dict):
        return f"an object with {', '.join(repr(shown(key)) for key in list(value)[:4]) or 'nothing in it'}"
    return "text" if isinstance(value, str) else "null" if value is None else f"the value {shown(str(value))[:80]}"
