"""The features of images as a table: path, label if known, and one column per feature."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import DataError, MissingExtra
from tutelage.core.files import atomic_file, require_ending
from tutelage.core.names import shown, to_cell
from tutelage.core.wording import option
from tutelage.data.images.given import Images, list_given
from tutelage.data.images.items import Item
from tutelage.data.images.source import list_image_splits, list_images
from tutelage.inference.images.encoder import Encoder
from tutelage.inference.images.kept_blocks import Block

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".parquet", ".npz", ".csv")


@dataclass(frozen=True)
class Embedded:
    """Some images and their features (n, F) float32."""

    items: list[Item]
    features: NDArray[np.float32]


def list_to_embed(
    source: Images,
    labels: str | None = None,
    tell: Callable[[str], None] = lambda line: None,
    *,
    channels: int = 3,
) -> list[Item]:
    """All images of a source, from all splits and unlabeled folders, with their labels if known; or those handed over.

    Args:
        tell: receives one line on each kind of file that is left out.
        channels: as in `list_given`.

    Raises:
        DataError: the source does not exist or has no images, or the given labels cannot be read.
    """
    if not isinstance(source, str | Path):
        if labels is not None:
            raise DataError(f"{option('labels')} is for a folder of images")
        return list_given(source, channels=channels)
    source = str(source)
    listing = list_images(source, role="predict")
    if listing.faults:
        raise DataError(listing.faults)
    for warning in listing.warnings:
        tell(f"warning: {warning}")
    splits = list_image_splits(source, labels)
    faults = [fault for split in splits.values() for fault in split.faults]
    if faults and labels is not None:
        raise DataError(faults)
    known = {} if faults else {item.place: item.label for split in splits.values() for item in split.items}
    return [Item(item.name, known.get(item.place), item.store, item.key) for item in listing.items]


def embedded(items: Sequence[Item], blocks: Iterable[Block], *, unreadable: list[str]) -> Iterator[Embedded]:
    """Features in blocks, in order; images that cannot be read are skipped.

    Args:
        unreadable: receives one sentence per skipped image.
    """
    rest = iter(items)
    for block in blocks:
        pairs = [(next(rest), error) for error in block.errors]
        unreadable += [f"{shown(item.place)} {error}" for item, error in pairs if error]
        if len(block.rows):
            yield Embedded([item for item, error in pairs if not error], block.rows)


def write_embedded(encoder: Encoder, items: Sequence[Item], out: Path | None, *, workers: int = 2) -> list[Embedded]:
    """The features of images in blocks, which are also written to `out` if it is given.

    Raises:
        DataError: no image can be read.
    """
    unreadable: list[str] = []
    blocks: list[Embedded] = []
    with nullcontext() if out is None else writer(out) as write:
        passed = (block for _, block in encoder.image_pass(workers=workers).blocks(items))
        for block in embedded(items, passed, unreadable=unreadable):
            blocks.append(block)
            if write is not None:
                write.add(block)
        if not blocks:
            raise DataError(unreadable)
    return blocks


def table_of(blocks: Sequence[Embedded]) -> pd.DataFrame:
    """A table of `path, label, f0, f1, ...`, one row per image; the label is None if unknown."""
    import pandas as pd

    features = np.concatenate([block.features for block in blocks])
    table = pd.DataFrame(features, columns=_columns(features.shape[1]))
    table.insert(0, "path", [item.name for block in blocks for item in block.items])
    table.insert(1, "label", pd.Series([item.label for block in blocks for item in block.items], dtype=object))
    return table


def writer(out: Path) -> Writer:
    """The writer for the suffix of `out`.

    Raises:
        ConfigError: the suffix is not supported.
        MissingExtra: the suffix is .parquet, and pyarrow is not installed.
    """
    kinds: dict[str, type[Writer]] = {".parquet": ParquetWriter, ".npz": ArrayWriter, ".csv": CsvWriter}
    return kinds[require_ending(out, SUFFIXES)](out)


def _columns(width: int) -> list[str]:
    return [f"f{number}" for number in range(width)]


class Writer(ABC):
    """Writes a table block by block with `atomic_file`, so that the file appears only when it is complete."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.stream: BinaryIO
        self._open = ExitStack()

    @abstractmethod
    def add(self, block: Embedded) -> None:
        """Write some rows."""

    @abstractmethod
    def close(self) -> None:
        """Write what remains."""

    def __enter__(self) -> Writer:
        self.stream = self._open.enter_context(atomic_file(self.out))
        self._open.callback(self.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)


class ParquetWriter(Writer):
    """Columns `path`, `label` (null if unknown) and `f0`, `f1`, ... float32."""

    def __init__(self, out: Path) -> None:
        super().__init__(out)
        try:
            import pyarrow
            import pyarrow.parquet
        except ModuleNotFoundError:
            raise MissingExtra(option("out", out), "pyarrow", "embed") from None
        self._arrow, self._parquet = pyarrow, pyarrow.parquet
        self._file: Any = None

    def add(self, block: Embedded) -> None:
        arrow, names = self._arrow, _columns(block.features.shape[1])
        paths = [item.name.encode("utf-8", "backslashreplace").decode() for item in block.items]
        columns = [arrow.array(paths, arrow.string())]
        columns.append(arrow.array([item.label for item in block.items], arrow.string()))
        columns += [arrow.array(np.ascontiguousarray(column)) for column in block.features.T]
        table = arrow.table(columns, names=["path", "label", *names])
        if self._file is None:
            self._file = self._parquet.ParquetWriter(self.stream, table.schema)
        self._file.write_table(table)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class CsvWriter(Writer):
    """A header and one line per image; paths and labels are escaped for spreadsheets, see `to_cell`."""

    def __init__(self, out: Path) -> None:
        super().__init__(out)
        self._begun = False

    def add(self, block: Embedded) -> None:
        import pandas as pd

        table = pd.DataFrame(block.features, columns=_columns(block.features.shape[1]))
        table.insert(0, "path", [to_cell(item.name) for item in block.items])
        table.insert(1, "label", [to_cell(item.label or "") for item in block.items])
        text = table.to_csv(index=False, header=not self._begun, float_format="%.9g", na_rep="nan", lineterminator="\n")
        self.stream.write(text.encode())
        self._begun = True

    def close(self) -> None:
        """Do nothing: each block is written as it arrives."""


class ArrayWriter(Writer):
    """Arrays `path` (N,), `label` (N,) ("" if unknown) and `features` (N, F) float32; kept in memory until the end."""

    def __init__(self, out: Path) -> None:
        super().__init__(out)
        self._blocks: list[Embedded] = []

    def add(self, block: Embedded) -> None:
        self._blocks.append(block)

    def close(self) -> None:
        if self._blocks:
            items = [item for block in self._blocks for item in block.items]
            np.savez(
                self.stream,
                path=np.array([item.name for item in items]),
                label=np.array([item.label or "" for item in items]),
                features=np.concatenate([block.features for block in self._blocks]),
            )
