"""Labels that Python code hands over, as a label table: a file that is read and checked like any other."""

from __future__ import annotations

import csv
import io
import numbers
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.images.tables import GIVEN_AS


class LabelFrame(Protocol):
    """A pandas DataFrame with the columns path and label."""

    @property
    def columns(self) -> Any: ...

    @property
    def index(self) -> Any: ...

    def __getitem__(self, column: Any, /) -> Any: ...


Labels: TypeAlias = str | Path | Mapping[Any, Any] | LabelFrame
"""A label table: the path of a CSV file, a pandas DataFrame with the columns path and label, or a mapping from paths to
labels. Paths are relative to the folder of images; an image without a label, or with None, NaN or "", is unlabeled."""


def is_in_memory(labels: object) -> bool:
    """Whether labels are handed over rather than named by a path."""
    return labels is not None and not isinstance(labels, str | Path)


@contextmanager
def label_file(labels: Labels | None) -> Iterator[str | None]:
    """The path of the table; labels in memory are in a temporary file while this is open.

    Raises:
        DataError: see `as_table`.
    """
    if labels is None or isinstance(labels, str | Path):
        yield None if labels is None else str(labels)
        return
    content = as_table(labels)
    with tempfile.TemporaryDirectory(prefix="tutelage-") as folder:
        file = Path(folder) / "labels.csv"
        file.write_bytes(content)
        yield str(file)


def as_table(labels: Mapping[Any, Any] | LabelFrame) -> bytes:
    """CSV with the columns path, label and the place in `labels`, which messages name in place of a line.

    Raises:
        DataError: `labels` is of another type or has other columns, or a label is neither text nor a whole number.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "label", GIVEN_AS])
    faults: list[str] = []
    count = 0
    for place, path, label in _rows(labels):
        count += 1
        try:
            writer.writerow([str(path), label_text(label), place])
        except ValueError as error:
            faults.append(f"{place}: {error}")
    if not count:
        faults.append("labels has no rows: expected one path and one label in each")
    if faults:
        raise DataError(faults)
    return text.getvalue().encode("utf-8", "surrogateescape")


def _rows(labels: Any) -> Iterator[tuple[str, Any, Any]]:
    """The place, the path and the label of each row."""
    if hasattr(labels, "columns") and hasattr(labels, "index"):
        names = [str(name) for name in labels.columns]
        for column in ("path", "label"):
            if names.count(column) != 1:
                found = "appears twice" if column in names else "is missing"
                raise DataError(f"labels: the column '{column}' {found}: expected the columns path,label, got {names}")
        for row, path, label in zip(labels.index, labels["path"], labels["label"], strict=True):
            yield f"labels row {shown(str(row))}", "" if _missing(path) else path, label
    elif hasattr(labels, "items"):  # a dict, or a Series of labels by path
        for path, label in labels.items():
            yield f"labels[{shown(repr(str(path)))}]", path, label
    else:
        raise DataError(
            f"labels of type {type(labels).__name__} cannot be read: expected the path of a CSV file, a DataFrame with "
            "the columns path,label, or a mapping from paths to labels"
        )


def label_text(label: Any) -> str:
    """A label as a cell; a label that is missing is empty.

    Raises:
        ValueError: it is neither text nor a whole number.
    """
    if _missing(label):
        return ""
    if isinstance(label, str):
        return label
    if isinstance(label, numbers.Integral):
        return str(label) if isinstance(label, bool) else str(int(label))
    if isinstance(label, numbers.Real) and float(label).is_integer():  # whole numbers beside missing ones are floats
        return str(int(float(label)))
    raise ValueError(
        f"the label {shown(repr(label))} is of type {type(label).__name__}: expected text or a whole number"
    )


def _missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)  # NaN and NaT
    except TypeError:  # of pandas' NA, which is neither true nor false
        return True
