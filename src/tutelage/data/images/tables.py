"""Label tables: CSV files with the columns `path,label`, read without guessing."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tutelage.core.names import shown

_LONGEST_LINE = 1 << 16  # bytes; a longer line is no line of a label table


@dataclass(frozen=True)
class Row:
    """One row of a table; `label` is None where the cell is empty or the table has no label column."""

    line: int
    path: str
    label: str | None


class _TableFault(Exception):
    """Stops the reading of a table; the message lacks the file name."""


def read_table(file: Path, *, needs_label: bool = True) -> tuple[list[Row], list[str]]:
    """The rows of a table, and its faults, each naming file and line.

    The file is UTF-8 (a byte-order mark is fine) with commas; the header must name `path` and, unless `needs_label`
    is False, `label`; further columns are ignored. Every value stays text: `007` and `NA` are class names.
    """
    name = shown(str(file))
    if file.is_dir():
        return [], [f"{name} is a folder: expected a CSV file with the columns path,label"]
    if not file.exists():
        return [], [f"{name}: no such file: expected a CSV file with the columns path,label"]
    rows: list[Row] = []
    faults: list[str] = []
    try:
        with file.open("rb") as stream:
            reader = csv.reader(_lines(stream), strict=True)
            try:
                header = _header(next(reader, None), needs_label)
                for cells in reader:
                    if cells:
                        row = _row(cells, header, reader.line_num)
                        rows.append(row) if isinstance(row, Row) else faults.append(f"{name} {row}")
            except csv.Error as error:
                raise _TableFault(f"line {reader.line_num}: {error}: is a quotation mark left open?") from error
    except _TableFault as fault:
        faults.append(f"{name} {fault}")
    except OSError as error:
        faults.append(f"{name} cannot be read: {error.strerror}")
    if not rows and not faults:
        faults.append(f"{name} has a header and no rows: expected a path and a label a line")
    return rows, faults


def _lines(stream: BinaryIO) -> Iterator[str]:
    number = 0
    while raw := stream.readline(_LONGEST_LINE):
        number += 1
        if number == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise _TableFault("is UTF-16: save it as UTF-8")
        if b"\0" in raw:
            raise _TableFault(f"line {number} holds a NUL byte: this is no CSV file")
        if len(raw) == _LONGEST_LINE:
            raise _TableFault(f"line {number} is longer than {_LONGEST_LINE} bytes: this is no label table")
        try:
            yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise _TableFault(f"line {number} is not UTF-8 ({error.reason}): save the table as UTF-8") from error


def _header(cells: list[str] | None, needs_label: bool) -> dict[str, int]:
    expected = "path,label" if needs_label else "path"
    if cells is None:
        raise _TableFault(f"is empty: expected a header line '{expected}'")
    names = [cell.strip().lower() for cell in cells]
    got = shown(",".join(cells))
    for separator, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and separator in names[0]:
            raise _TableFault(f"line 1: columns are separated by {word}: save the table with commas")
    for column in ("path", "label"):
        if names.count(column) > 1:
            raise _TableFault(f"line 1: the column '{column}' appears twice: '{got}'")
    missing = [column for column in expected.split(",") if column not in names]
    if missing:
        raise _TableFault(f"line 1: no column '{missing[0]}': expected a header '{expected}', got '{got}'")
    return {
        "columns": len(names),
        "path": names.index("path"),
        "label": names.index("label") if "label" in names else -1,
    }


def _row(cells: list[str], header: dict[str, int], line: int) -> Row | str:
    if len(cells) != header["columns"]:
        return f"line {line}: expected {header['columns']} cells as in the header, got {len(cells)}"
    path = cells[header["path"]]
    if not path.strip():
        return f"line {line}: the path is empty"
    if header["label"] < 0 or not cells[header["label"]]:
        return Row(line, path, None)
    label = cells[header["label"]].strip()
    if not label:
        return f"line {line}: the label is only white space: leave it empty for an unlabeled image"
    return Row(line, path, label)
