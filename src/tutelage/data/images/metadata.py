"""The columns of tables that other tools write: `metadata.csv` of Hugging Face, `train.csv` of Kaggle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tutelage.core.names import shown
from tutelage.core.regular import open_regular
from tutelage.data.csv_rows import TableFault, read_rows
from tutelage.data.images.tables import Row

PATHS = ("file_name", "filename", "file", "path", "image", "image_id", "image_name", "img", "id_code", "id", "name")
LABELS = ("label", "labels", "class", "class_name", "category", "target", "breed", "species")
_TEXTS = ("text", "caption", "captions", "prompt", "objects", "url")  # a second column that is no label
_LONGEST = 1 << 16  # bytes of a line
LINES = ".jsonl"


def columns_of(file: Path) -> tuple[str, str] | None:
    """The names, in lower case, of the columns that name the image and its label; None if they cannot be told."""
    try:
        return _chosen(_first_names(file))
    except (OSError, TableFault, ValueError, RecursionError):
        return None


def read_metadata_lines(file: Path) -> tuple[list[Row], list[str]]:
    """The rows of a `.jsonl` table, one object per line, and its faults, each naming file and line."""
    name = shown(str(file))
    columns = columns_of(file)
    if columns is None:
        return [], [f"{name}: expected an object with file_name and label on each line"]
    rows: list[Row] = []
    faults: list[str] = []
    try:
        for number, line in _lines(file):
            made = _row(line, columns, number)
            rows.append(made) if isinstance(made, Row) else faults.append(f"{name} line {number}: {made}")
    except OSError as error:
        faults.append(f"{name} cannot be read: {error.strerror}")
    except ValueError as error:
        faults.append(f"{name} {error}")
    if not rows and not faults:
        faults.append(f"{name} has no lines: expected one object per line")
    return rows, faults


def _row(line: dict[str, Any], columns: tuple[str, str], number: int) -> Row | str:
    values = {str(key).lower(): value for key, value in line.items()}
    path, label = values.get(columns[0]), values.get(columns[1])
    if not isinstance(path, str | int) or isinstance(path, bool) or not str(path).strip():
        return f"{columns[0]} is {shown(repr(path))[:100]}: expected the path of an image"
    if label is None or label == "":
        return Row(number, str(path), None)
    if isinstance(label, bool) or not isinstance(label, str | int):
        return f"{columns[1]} is {shown(repr(label))[:100]}: expected text or a whole number"
    return Row(number, str(path), str(label).strip() or None)


def _chosen(names: Sequence[str]) -> tuple[str, str] | None:
    path = next((known for known in PATHS if known in names), None)
    others = [name for name in names if name != path]
    label = next((known for known in LABELS if known in others), None)
    if label is None and len(others) == 1 and others[0] not in _TEXTS:
        label = others[0]
    return None if path is None or label is None or names.count(path) + names.count(label) > 2 else (path, label)


def _first_names(file: Path) -> list[str]:
    """The names of the columns, in lower case."""
    if file.suffix.lower() == LINES:
        return [str(key).lower() for _, line in islice(_lines(file), 1) for key in line]
    return [cell.strip().lower() for cell in next(read_rows(file), (1, []))[1]]


def _lines(file: Path) -> Any:
    with open_regular(file) as stream:
        number = 0
        while raw := stream.readline(_LONGEST):
            number += 1
            if len(raw) == _LONGEST:
                raise ValueError(f"line {number} is longer than {_LONGEST} bytes")
            if not raw.strip():
                continue
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {number} is no JSON: {error}") from None
            if not isinstance(line, dict):
                raise ValueError(f"line {number}: expected an object with file_name and label")
            yield number, line
