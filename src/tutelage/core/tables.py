"""Writing CSV files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def csv_bytes(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, header: bool = True) -> bytes:
    """CSV in UTF-8 with one line per row; a value that a row lacks, or None, is an empty cell.

    Names that come from outside go through `to_cell` first, so that no spreadsheet runs them.
    """
    import pandas as pd  # slow to import

    table = pd.DataFrame([dict(row) for row in rows], columns=list(columns), dtype=object)
    return table.to_csv(index=False, header=header, lineterminator="\n").encode()
