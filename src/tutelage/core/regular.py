"""Opening files that users name: regular files only, since a pipe or a device may have no end."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # a pipe that nobody writes to would be waited for
_KINDS = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a disk"))


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """A stream of the bytes of a file.

    Raises:
        OSError: it cannot be read, or is a folder, a pipe, a socket or a device.
    """
    refuse_special(path)  # a socket cannot even be opened
    handle = os.open(path, _FLAGS | _AT_ONCE)
    try:
        _check(os.fstat(handle).st_mode, path)  # of what was opened, whatever has taken its place
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file; see `open_regular`."""
    with open_regular(path) as stream:
        return stream.read()


def refuse_special(path: str | os.PathLike[str]) -> None:
    """Raise OSError if there is no such file, or if it is a folder, a pipe, a socket or a device."""
    _check(Path(path).stat().st_mode, path)


def special_kind(path: str | os.PathLike[str]) -> str | None:
    """What is at a path that is there and is neither a file nor a folder, such as "a pipe"; None for all else."""
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return None
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else _kind(mode)


def leads_to_itself(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a symbolic link, or passes one, that leads back to itself."""
    try:
        Path(path).stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _kind(mode: int) -> str:
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "no file")


def _check(mode: int, path: str | os.PathLike[str]) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    raise OSError(errno.EINVAL, f"it is {_kind(mode)}: expected a regular file", os.fspath(path))
