"""Writes files so that a kill, a crash or a full disk never leaves a partial one."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from tutelage.core.errors import ConfigError, RunError
from tutelage.core.inputs import refuse_input
from tutelage.core.json_text import JsonFault, parse_json
from tutelage.core.regular import leads_to_itself, read_regular
from tutelage.core.wording import option
from tutelage.core.writable import TEMPORARY, require_writable, temporary_of


@contextmanager
def atomic_file(path: Path, *, what: str | None = None) -> Iterator[BinaryIO]:
    """A stream to a temporary file beside `path`, which replaces `path` when the block ends without an error.

    File and folder are synced to the disk, so a crash leaves either what was at `path` before or all of the new
    content. Every file that tutelage writes in one piece is written here.

    Args:
        what: what an error calls the file; its path, unless given.

    Raises:
        RunError: the disk is full or the folder is not writable. An earlier file at `path` is untouched.
    """
    temporary = temporary_of(path)
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {what or path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all; see `atomic_file`.

    Raises:
        RunError: the disk is full or the folder is not writable. What was at `path` before is untouched.
    """
    with atomic_file(path, what=f"{path} ({len(content)} bytes)") as stream:
        stream.write(content)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        RunError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot create the folder {folder}: {error.strerror}") from None


def require_space(path: Path, needed: int) -> None:
    """Check that the disk of `path` has `needed` bytes free.

    Raises:
        RunError: it does not.
    """
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise RunError(
            f"cannot write {path}: it needs {needed / 1e6:,.1f} MB of disk space, and {free / 1e6:,.1f} MB are free"
        )


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable, if the system supports it."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_temporary(folder: Path, own: Callable[[str], object]) -> None:
    """Remove temporary files that a killed process left in `folder`, of files whose name is `own`."""
    for path in folder.glob(f"*{TEMPORARY}*"):
        name, _, process = path.name.rpartition(TEMPORARY)
        if process.isdecimal() and own(name):
            path.unlink(missing_ok=True)


def require_ending(out: Path, endings: Sequence[str]) -> str:
    """The ending of a file name, in lower case; its format follows from it.

    Raises:
        ConfigError: it is none of `endings`.
    """
    ending = out.suffix.lower()
    if ending not in endings:
        *others, last = endings
        known = f"{', '.join(others)} or {last}" if others else last
        raise ConfigError(f"cannot write {out}: the name must end in {known}")
    return ending


def refuse_file(out: Path | None, *, overwrite: bool, reads: Iterable[Any], endings: Sequence[str] = ()) -> None:
    """Check that a result may be written to the file `out`.

    Args:
        reads: what the command reads, which is never replaced; see `refuse_input`.
        endings: those that the name may have; all, if there are none.

    Raises:
        ConfigError: the name has another ending.
        RunError: it exists and `overwrite` is off, it is read, it is a folder or a link to itself, or its parent folder
            does not exist or cannot be written.
    """
    if out is None:
        return
    if out.is_dir():
        raise RunError(f"{out} is a folder; name a file")
    if leads_to_itself(out):
        raise RunError(f"cannot write {out}: it is a link that leads to itself; name another file")
    if endings:
        require_ending(out, endings)
    refuse_input(out, reads)
    if out.exists() and not overwrite:
        raise RunError(f"{out} exists; name another file, or replace it with {option('overwrite', True)}")
    if not out.absolute().parent.is_dir():
        raise RunError(f"cannot write {out}: there is no folder {out.absolute().parent}")
    require_writable(out)


def sha256(content: bytes) -> str:
    """The SHA-256 hash, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def strict_json(value: Any, *, indent: int | None = None) -> str:
    """JSON that follows the standard: NaN and infinity become null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False, ensure_ascii=True)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, completely or not at all."""
    write_atomically(path, (strict_json(value, indent=2) + "\n").encode())


def read_json(path: Path) -> Any:
    """The content of the JSON file `path`.

    Raises:
        RunError: it does not exist, cannot be read, or is not JSON.
    """
    try:
        return parse_json(read_regular(path))
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    except JsonFault as fault:
        raise RunError(f"{path} is damaged: {fault}") from None
