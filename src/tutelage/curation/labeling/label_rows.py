"""The rows of a label table that is being written: one for each image that has an answer, and those that were there."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tutelage.core.errors import DataError
from tutelage.core.names import from_cell, shown, to_cell
from tutelage.core.tables import csv_bytes
from tutelage.data.csv_rows import TableFault, read_rows
from tutelage.data.images.tables import Row, read_table

COLUMNS = ("path", "label", "by", "confidence", "time")
By = Literal["human", "model"]


@dataclass(frozen=True)
class Said:
    """What is said of an image.

    Attributes:
        label: a class, or None: whoever looked at it was not sure.
        by: who said it.
        confidence: the probability that the model gave this label before, in [0, 1]; None if it had none.
        time: in UTC, such as 2026-01-31T12:00:00+00:00; "" if it is unknown.
    """

    label: str | None
    by: By = "human"
    confidence: float | None = None
    time: str = ""


class LabelRows:
    """The rows of a label table in memory, by the name of the image.

    Columns that are not ours, and rows about files that are no images of the pile, stay as they are.

    Attributes:
        strangers: the paths of such rows, once `adopt` was called.

    Args:
        file: a label table, or nothing.

    Raises:
        DataError: it is no label table.
    """

    def __init__(self, file: Path) -> None:
        self.said: dict[str, Said] = {}
        self._columns = list(COLUMNS)
        self.strangers: list[str] = []
        self._cells: dict[str, dict[str, str]] = {}
        self._whole = True  # whether the file is to be written anew with the next answer
        if not file.exists():
            return
        rows, faults = read_table(file)
        if faults and not _has_only_a_header(file):
            raise DataError(faults)
        lines = [cells for _, cells in read_rows(file) if cells]
        columns = [name.strip().lower() for name in lines[0]]
        if twice := [name for name in columns if columns.count(name) > 1]:
            raise DataError(f"{shown(str(file))} line 1: the column '{shown(twice[0])}' appears twice: rename one")
        self._columns = columns + [name for name in COLUMNS if name not in columns]
        first: dict[str, Row] = {}
        for row, cells in zip(rows, lines[1:], strict=True):
            before = first.setdefault(row.path, row)
            if before.label != row.label:
                faults.append(
                    f"{row.place(file)}: '{shown(row.path)}' is labeled '{shown(row.label or '')}' here and "
                    f"'{shown(before.label or '')}' in {before.spot}"
                )
            self._cells[row.path] = dict(zip(columns, cells, strict=True))
        if first and faults:
            raise DataError(faults)
        self._whole = self._columns != columns or not file.read_bytes().endswith(b"\n")

    def adopt(self, names: Sequence[str], root: Path) -> None:
        """Give each row the name of its image, of which `names` are all there are, relative to `root`.

        Raises:
            DataError: there are several rows, and none is about an image: it is the table of another folder.
        """
        known, found = set(names), dict[str, dict[str, str]]()
        for path, cells in self._cells.items():
            name = _relative(path, root)
            name = name if name in known else from_cell(name)
            found[name if name in known else path] = cells
            if name not in known and not (root / name).exists():  # others are left out, or cannot be read
                self.strangers.append(path)
            if name in known and (said := _said(cells)) is not None:
                self.said[name] = said
        self._cells = found
        if len(self.strangers) > 1 and len(self.strangers) == len(found):
            raise DataError(
                f"none of the {len(found)} rows of the label table is about an image of {shown(str(root))} (first: "
                f"{shown(self.strangers[0])}): is it the table of another folder?"
            )

    def add(self, labels: Mapping[str, str]) -> None:
        """Take labels that are known from elsewhere; the table gets them with the next answer."""
        for name, label in labels.items():
            self._set(name, Said(label))
            self._whole = True

    def put(self, rows: Mapping[str, Said | None]) -> bytes | None:
        """Say something of images, or nothing (None); lines to add to the file, or None: it is to be written anew."""
        again = any(name in self._cells or said is None for name, said in rows.items())
        for name, said in rows.items():
            if said is None:
                self._empty(name)
            else:
                self._set(name, said)
        if again or self._whole:
            return None
        return csv_bytes([self._cells[name] for name in rows], self._columns, header=False)

    def table(self) -> bytes:
        """The whole table as CSV."""
        return csv_bytes(list(self._cells.values()), self._columns)

    def is_written(self) -> None:
        """The file is `table` now, so that lines can be added to it."""
        self._whole = False

    def _empty(self, name: str) -> None:
        """Take out what is said of an image; its row stays if it has other columns."""
        self.said.pop(name, None)
        if self._cells.get(name, {}).keys() - set(COLUMNS):
            self._cells[name] |= {"label": "", "by": "", "confidence": "", "time": ""}
        else:
            self._cells.pop(name, None)

    def _set(self, name: str, said: Said) -> None:
        confidence = "" if said.confidence is None else f"{said.confidence:.4f}"
        cells = {"label": said.label or "", "by": said.by, "confidence": confidence, "time": said.time}
        self._cells[name] = {"path": to_cell(name)} | self._cells.get(name, {}) | cells
        self.said[name] = said


def _has_only_a_header(file: Path) -> bool:
    """Whether a table names its columns and has no row: a fault for `train`, but not for a table to be filled."""
    try:
        lines = [cells for _, cells in read_rows(file) if cells]
    except TableFault:
        return False
    return len(lines) == 1 and {"path", "label"} <= {name.strip().lower() for name in lines[0]}


def _said(cells: Mapping[str, str]) -> Said | None:
    """What a row says; None if it has no label and nobody was asked."""
    label, by = cells["label"].strip() or None, cells.get("by", "").strip()
    if label is None and not by:
        return None
    try:
        confidence = float(cells.get("confidence", ""))
    except ValueError:
        confidence = None
    return Said(label, "model" if by == "model" else "human", confidence, cells.get("time", ""))


def _relative(path: str, root: Path) -> str:
    if Path(path).is_absolute() and Path(path).is_relative_to(root.absolute()):
        path = Path(path).relative_to(root.absolute()).as_posix()
    return posixpath.normpath(path)
