"""Data frames of pandas and of other packages, as lists of paths."""

from __future__ import annotations

from typing import Any

from tutelage.core.errors import DataError
from tutelage.core.names import first_of

_COLUMN = "path"


def paths_of_frame(given: Any) -> Any:
    """The column `path` of a data frame as a list; all else as it is, since iterating over a frame gives names.

    Raises:
        DataError: a data frame has no such column.
    """
    if not (hasattr(given, "columns") and hasattr(given, "__getitem__") and hasattr(given, "shape")):
        return given
    names = [str(name) for name in given.columns]
    if _COLUMN not in names:
        got = first_of(names) if names else "none"
        raise DataError(f"a data frame must have a column {_COLUMN} with the paths, got the columns {got}")
    return list(given[_COLUMN])
