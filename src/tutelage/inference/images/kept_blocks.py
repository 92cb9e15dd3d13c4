"""Rows of numbers for blocks of images, in a folder beside the file that they are for, until that is complete."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.distributed import barrier, rank
from tutelage.core.errors import RunError
from tutelage.core.files import write_atomically
from tutelage.core.wording import option
from tutelage.data.images.items import Item

_KEY = "key.json"
_NAME = re.compile(r"\d{7}\.npz(\.tmp-\d+)?")
_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Block:
    """What a network gives for some images.

    Attributes:
        rows: (g, F) float32, of those that could be read, in order.
        errors: why an image could not be read, for each; empty if it could.
    """

    rows: NDArray[np.float32]
    errors: list[str]


class KeptBlocks:
    """The blocks of an output file that is not complete, in the folder `FILE.parts`.

    Args:
        out: the file.
        resume: go on with the blocks of a command that was interrupted.
        overwrite: start anew if there are some.
    """

    def __init__(self, out: Path, *, resume: bool = False, overwrite: bool = False) -> None:
        self.out, self.folder = out, out.with_name(f"{out.name}.parts")
        self._resume, self._overwrite = resume, overwrite

    def exists(self) -> bool:
        """Whether there are blocks of an interrupted command."""
        return (self.folder / _KEY).is_file()

    def open(self, items: Sequence[Item], key: str, count: int) -> int:
        """Start, or go on; gives the number of blocks that are there.

        Raises:
            RunError: there are some, and neither `resume` nor `overwrite` is set; or they are of another network or of
                other images.
        """
        there = 0
        if rank() == 0:
            digest = _digest(items, key)
            if self.exists() and not self._resume:
                if not self._overwrite:
                    again = f"go on with {option('resume', True)}, or start anew with {option('overwrite', True)}"
                    raise RunError(f"an earlier command was interrupted before {self.out} was complete: {again}")
                self.remove()
            if self.exists():
                if self._known() != digest:
                    raise RunError(
                        f"{self.folder} is of another network or of other images: start anew with "
                        f"{option('overwrite', True)}"
                    )
                there = count - len(self.missing(count))
            else:
                self._make(digest)
        barrier()
        return there

    def missing(self, count: int) -> list[int]:
        """The numbers of the blocks that are not there, or damaged."""
        return [number for number in range(count) if self._read(number) is None]

    def put(self, number: int, block: Block) -> None:
        """Keep a block.

        Raises:
            RunError: the disk is full.
        """
        stream = io.BytesIO()
        np.savez(stream, rows=block.rows, errors=np.array(block.errors, str))
        write_atomically(self._file(number), stream.getvalue())

    def all_there(self, count: int) -> bool:
        """Whether this is the first process, and all blocks are there, those of the others too.

        Raises:
            RunError: some are not.
        """
        barrier()
        if rank():
            return False
        lost = self.missing(count)
        if lost:
            raise RunError(
                f"{len(lost)} of {count} blocks are not in {self.folder}: all processes must write to the same folder"
            )
        return True

    def read(self, number: int) -> Block:
        """A block that is there."""
        found = self._read(number)
        if found is None:
            raise RunError(f"{self._file(number)} is damaged: go on with {option('resume', True)}")
        return found

    def remove(self) -> None:
        """Delete the blocks, and the folder if nothing else is in it."""
        for file in self.folder.iterdir():
            if file.name == _KEY or _NAME.fullmatch(file.name):
                file.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _read(self, number: int) -> Block | None:
        try:
            with self._file(number).open("rb") as stream, np.load(stream, allow_pickle=False) as found:
                return Block(found["rows"], found["errors"].tolist())
        except _BROKEN:
            return None

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:07d}.npz"

    def _known(self) -> str:
        try:
            return str(json.loads((self.folder / _KEY).read_bytes())["key"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _make(self, digest: str) -> None:
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot write {self.folder}: {error.strerror or error}") from error
        write_atomically(self.folder / _KEY, json.dumps({"key": digest}).encode())


def _digest(items: Sequence[Item], key: str) -> str:
    """Changes with the network, the names and the files of the images, and their order."""
    digest = hashlib.blake2b(key.encode(), digest_size=16)
    for _, group in groupby(items, key=lambda item: id(item.store)):
        run = list(group)
        for item, stamp in zip(run, run[0].store.stamps([item.key for item in run]), strict=True):
            digest.update(repr((item.name, stamp)).encode())
    return digest.hexdigest()
