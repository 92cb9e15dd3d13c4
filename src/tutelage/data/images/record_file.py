"""One file of records in columns: Parquet, or the Arrow stream that `save_to_disk` of Hugging Face datasets writes."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tutelage.core.memory import memory_fault
from tutelage.core.regular import open_regular

PARQUET, ARROW = ".parquet", ".arrow"
EXTRA = "hf"
_COPIES = 3  # of a block, while it is unpacked


class MissingReader(Exception):
    """The package that reads such files is not installed."""


class RecordFile:
    """A file of N records, read in blocks of some hundred.

    Any error of the package that reads it may be raised, and `MissingReader`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parquet = path.suffix.lower() == PARQUET

    def schema(self) -> Any:
        """The names and types of the columns, as pyarrow has them."""
        arrow = _arrow()
        with open_regular(self.path) as stream:
            if self.parquet:
                return _parquet().ParquetFile(stream).schema_arrow
            with arrow.ipc.open_stream(stream) as reader:
                return reader.schema

    def features(self) -> dict[str, Any]:
        """What Hugging Face datasets says of the columns, by name; empty of other files."""
        held = (self.schema().metadata or {}).get(b"huggingface", b"{}")
        with suppress(ValueError, LookupError, AttributeError, TypeError, RecursionError):
            found = json.loads(held)["info"]["features"]
            return {str(name): kind for name, kind in found.items() if isinstance(kind, dict)}
        return {}

    def blocks(self, column: str, wanted: Sequence[int] | None = None) -> Iterator[tuple[int, list[Any]]]:
        """The first record and the values of a column, for each block, in order.

        Args:
            wanted: records, ascending; blocks without any of them may be left out.

        Raises:
            ValueError: a block claims more memory than it may have.
        """
        yield from self._row_groups(column, wanted) if self.parquet else self._batches(column)

    def _row_groups(self, column: str, wanted: Sequence[int] | None) -> Iterator[tuple[int, list[Any]]]:
        present = self.path.stat().st_size
        with open_regular(self.path) as stream:
            file = _parquet().ParquetFile(stream)
            first = 0
            for group in range(file.num_row_groups):
                known = file.metadata.row_group(group)
                rows = range(first, first + known.num_rows)
                if wanted is None or bisect_left(wanted, rows.start) < bisect_left(wanted, rows.stop):
                    if (fault := memory_fault(_COPIES * known.total_byte_size, present)) is not None:
                        raise ValueError(f"row group {group} {fault}")
                    yield first, _values(file.read_row_group(group, columns=[column]).column(column))
                first = rows.stop

    def _batches(self, column: str) -> Iterator[tuple[int, list[Any]]]:
        with open_regular(self.path) as stream, _arrow().ipc.open_stream(stream) as reader:
            first = 0
            for batch in reader:
                yield first, _values(batch.column(column))
                first += batch.num_rows


def _values(column: Any) -> list[Any]:
    column.validate(full=True)  # offsets of a damaged file may lead anywhere
    values: list[Any] = column.to_pylist()
    return values


def _arrow() -> Any:
    try:
        import pyarrow as arrow
        import pyarrow.ipc
    except ImportError:
        raise MissingReader from None
    return arrow


def _parquet() -> Any:
    _arrow()
    import pyarrow.parquet as parquet

    return parquet
