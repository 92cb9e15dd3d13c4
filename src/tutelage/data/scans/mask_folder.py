"""A folder of predicted masks with a table of what is in them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import RunError
from tutelage.core.files import make_folder, write_atomically
from tutelage.core.names import file_key, from_cell, to_cell
from tutelage.core.regular import open_regular
from tutelage.core.tables import csv_bytes
from tutelage.data.scans.geometry import Geometry
from tutelage.data.scans.items import Case
from tutelage.data.scans.masks import PROBABILITIES, flat_name, mask_suffix, write_label_names, write_mask

TABLE = "cases.csv"
_COLUMNS = "case,scan,label,mask"  # the first ones of the table
_LONGEST = 1 << 16  # bytes of a line


def is_mask_table(file: Path) -> bool:
    """Whether a file is a table of masks that `MaskFolder` wrote."""
    try:
        with open_regular(file) as stream:
            return stream.readline(_LONGEST).startswith(_COLUMNS.encode() + b",")
    except OSError:
        return False


def mask_files(folder: Path) -> list[Path]:
    """The files that `MaskFolder` wrote into `folder`, by its table: the masks, the table, the names of the values."""
    if not is_mask_table(folder / TABLE):
        return []
    try:
        with (folder / TABLE).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error):
        return []
    masks = {from_cell(row.get("mask") or "").removeprefix("./") for row in rows if "case" in row}
    own = [name for name in sorted(masks) if name and Path(name).name == name]
    return [folder / name for name in (*own, "labels.json", "labels.txt", TABLE)]


def sizes_of(predicted: NDArray[np.integer], geometry: Geometry, classes: Sequence[str]) -> dict[str, Any]:
    """Voxels and, of volumes, ml of each class but the background, by column, from class indices (*S)."""
    voxels = [int(np.count_nonzero(predicted == number)) for number in range(1, len(classes))]
    each = float(np.prod(geometry.spacing)) / 1000.0
    sizes: dict[str, Any] = {f"voxels_{name}": count for name, count in zip(classes[1:], voxels, strict=True)}
    if geometry.axes == 3:
        sizes |= {f"ml_{name}": count * each for name, count in zip(classes[1:], voxels, strict=True)}
    return sizes


class MaskFolder:
    """Writes masks into `path` in the geometry of their scans, then `cases.csv` and the names of the label values.

    Args:
        classes, values: class names and the value of each in the masks; the first is the background.

    Raises:
        RunError: the folder cannot be made.
    """

    def __init__(self, path: Path, classes: Sequence[str], values: Sequence[int]) -> None:
        self.path, self.classes, self.values = path, tuple(classes), tuple(values)
        self.rows: list[dict[str, Any]] = []
        self._taken: set[str] = set()  # names of files, as disks tell them apart
        make_folder(path)
        self._write_table()  # now, so that a folder of masks is known as one even if this is killed

    @property
    def columns(self) -> list[str]:
        """The columns of `cases.csv`."""
        foreground = self.classes[1:]
        return [
            *_COLUMNS.split(","),
            *(f"voxels_{name}" for name in foreground),
            *(f"ml_{name}" for name in foreground),
            "error",
        ]

    def add(self, case: Case, predicted: NDArray[np.integer], geometry: Geometry) -> dict[str, Any]:
        """Write the mask of a case from class indices (*S) on the grid of its file, and return its row of the table.

        Volumes are in ml; 2-D images have none.

        Raises:
            RunError: it cannot be written.
        """
        stem, like = self._free(case.name), case.images[0]
        sizes = sizes_of(predicted, geometry, self.classes)
        row = self._row(case) | {"mask": f"{stem}{mask_suffix(like)}"} | sizes
        self._append(row)  # before the mask is there, so that it is known as one even if this is killed
        mask = np.array(self.values, np.uint8)[predicted]
        write_mask(self.path, stem, mask, geometry, like=like, classes=self.classes, values=self.values)
        self.rows.append(row)
        return row

    def _free(self, name: str) -> str:
        """The name of the files of a case, which no other case has: `train/a` and `train_a` both become `train_a`."""
        flat, number = flat_name(name), 1
        stem = flat
        while self._taken & (files := {file_key(stem), file_key(f"{stem}{PROBABILITIES}")}):
            number += 1
            stem = f"{flat}-{number}"
        self._taken |= files
        return stem

    def fail(self, case: Case, error: str) -> dict[str, Any]:
        """A row for a case that could not be read."""
        row = self._row(case) | {"error": error}
        self.rows.append(row)
        return row

    def close(self) -> None:
        """Write the table and the names of the values.

        Raises:
            RunError: they cannot be written.
        """
        self._write_table()
        write_label_names(self.path, self.classes, self.values)

    def _write_table(self) -> None:
        write_atomically(self.path / TABLE, csv_bytes([_cells(row) for row in self.rows], self.columns))

    def _append(self, row: Mapping[str, Any]) -> None:
        table = self.path / TABLE
        try:
            with table.open("ab") as stream:
                stream.write(csv_bytes([_cells(row)], self.columns, header=False))
        except OSError as error:
            raise RunError(f"cannot write {table}: {error.strerror}") from None

    def _row(self, case: Case) -> dict[str, Any]:
        label = "" if case.label is None else str(case.label)
        return dict.fromkeys(self.columns, "") | {"case": case.name, "scan": str(case.images[0]), "label": label}


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _cell(value) for name, value in row.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    return to_cell(value) if isinstance(value, str) else value
