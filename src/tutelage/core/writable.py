"""Whether a result can be written, found out before the work that leads to it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tutelage.core.errors import RunError

TEMPORARY = ".tmp-"  # behind the name of a file while it is written


def temporary_of(path: Path) -> Path:
    """The file beside `path` that this process writes before it takes the place of `path`."""
    return path.with_name(f"{path.name}{TEMPORARY}{os.getpid()}")


def require_writable(out: Path, *, what: str = "") -> None:
    """Check that a file can be written at `out`, by making a temporary one beside it as writing does.

    Args:
        what: what an error says cannot be done; writing `out`, unless given.

    Raises:
        RunError: the folder does not allow it, or the name is too long.
    """
    probe = temporary_of(out)
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise RunError(f"cannot {what or f'write {out}'}: {error.strerror or error}") from None
    with suppress(OSError):
        probe.unlink()


def require_makeable(folder: Path, *, called: str = "folder") -> None:
    """Check that files can be written into `folder`, which need not be there yet.

    Args:
        called: what an error calls it.

    Raises:
        RunError: it or the first folder above it that is there is none, or does not allow it.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        raise RunError(f"cannot create the {called} {folder}: {there} is not a folder")
    what = f"write {folder}" if folder.exists() else f"create the {called} {folder}"
    require_writable(there / ".tutelage", what=what)
