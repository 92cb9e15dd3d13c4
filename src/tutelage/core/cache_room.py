"""Room in the cache folder: what was not used for longest makes way."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from tutelage.core.cache_folder import is_cached

LIMIT = "TUTELAGE_CACHE_GB"
_DEFAULT_LIMIT = 50.0  # GB
_FREE = 0.05  # share of the disk that is left free
_IN_USE = 3600.0  # seconds; what was used in that time stays


def cache_limit() -> int:
    """The most bytes that a folder of cached files may take: `TUTELAGE_CACHE_GB` if it is a number, else 50 GB."""
    with contextlib.suppress(KeyError, ValueError):
        return int(max(0.0, float(os.environ[LIMIT])) * 1e9)
    return int(_DEFAULT_LIMIT * 1e9)


def make_room(folder: Path, needed: int) -> bool:
    """Delete cached files in `folder` that were not used for longest, until `needed` more bytes fit (limit and disk).

    Files that were used within the last hour stay. Nothing is deleted where that would not suffice.

    Returns:
        Whether there is room.

    Raises:
        OSError: the folder cannot be listed.
    """
    old, too_much = _too_much(folder, needed)
    if too_much > sum(size for size, _ in old):
        return False
    for size, path in old:
        if too_much <= 0:
            break
        with contextlib.suppress(OSError):  # another process may be faster, or have it open
            path.unlink()
            too_much -= size
    return True


def may_fit(folder: Path, needed: int) -> bool:
    """Whether `make_room` would find room; nothing is deleted.

    Raises:
        OSError: the folder cannot be listed.
    """
    old, too_much = _too_much(folder, needed)
    return too_much <= sum(size for size, _ in old)


def _too_much(folder: Path, needed: int) -> tuple[list[tuple[int, Path]], int]:
    """Size and path of the files that may be deleted, oldest first, and the bytes by which `needed` more do not fit."""
    disk = shutil.disk_usage(folder)
    found = [(entry.stat(), Path(entry)) for entry in os.scandir(folder) if is_cached(entry.name) and entry.is_file()]
    old = sorted((stat.st_mtime, stat.st_size, path) for stat, path in found if time.time() - stat.st_mtime > _IN_USE)
    excess = sum(stat.st_size for stat, _ in found) + needed - cache_limit()
    lacking = needed + int(_FREE * disk.total) - disk.free
    return [(size, path) for _, size, path in old], max(excess, lacking)


def mark_used(file: Path) -> None:
    """Say that a file of the cache is of use, so that it stays."""
    with contextlib.suppress(OSError):
        os.utime(file)
