"""Features of images on disk, by the content of the image: computed once, shared by all commands."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]
_WAIT = 60.0  # seconds for another process that writes
_CHECK = 4  # bytes of a checksum behind each row
_BLOCK = 500  # rows per query; SQLite limits the number of variables


class FeatureStore:
    """A file of features (F,) float32, by the 16-byte digest of the image that they are of.

    Several processes may use a file at the same time. It is a cache: a damaged file is deleted and made anew, and
    where no file can be written, nothing is kept.

    Args:
        file: its name must identify everything that the features depend on besides the image: the weights, the size
            and the preparation of images.
        width: F, the number of features.
    """

    def __init__(self, file: Path, width: int) -> None:
        self.file, self.width = file, width

    def get(self, digests: Sequence[bytes]) -> dict[bytes, Features]:
        """The features that are known of these digests."""
        found: dict[bytes, Features] = {}
        if not self.file.exists():
            return found
        with contextlib.suppress(OSError), self._open() as connection:
            for block in _blocks(sorted(set(digests))):
                marks = ",".join("?" * len(block))
                rows = connection.execute(f"SELECT digest, row FROM features WHERE digest IN ({marks})", block)
                for digest, kept in rows:
                    row, check = kept[:-_CHECK], kept[-_CHECK:]
                    if len(row) == 4 * self.width and check == _check(digest, row):
                        found[digest] = np.frombuffer(row, np.float32)
        return found

    def put(self, rows: Iterable[tuple[bytes, Features]]) -> None:
        """Keep features; what cannot be written is left out."""
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as connection:
                connection.executemany(
                    "INSERT OR REPLACE INTO features VALUES (?, ?)",
                    ((digest, row + _check(digest, row)) for digest, row in ((key, _bytes(row)) for key, row in rows)),
                )

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are written at the end; a damaged file is deleted first.

        Raises:
            OSError: the file cannot be used.
        """
        try:
            try:
                connection = self._connect()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):  # locked, full, not writable: it is not damaged
                    raise
                self.file.unlink(missing_ok=True)
                connection = self._connect()
            with contextlib.closing(connection), connection:
                yield connection
        except sqlite3.Error as error:
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                self.file.unlink(missing_ok=True)
            raise OSError(str(error)) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, timeout=_WAIT)
        connection.execute("CREATE TABLE IF NOT EXISTS features (digest BLOB PRIMARY KEY, row BLOB)")
        return connection


def _bytes(row: Features) -> bytes:
    return np.ascontiguousarray(row, np.float32).tobytes()


def _check(digest: bytes, row: bytes) -> bytes:
    """The CRC-32 of a row and what it is of."""
    return zlib.crc32(row, zlib.crc32(digest)).to_bytes(_CHECK, "little")


def _blocks(digests: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (digests[start : start + _BLOCK] for start in range(0, len(digests), _BLOCK))
