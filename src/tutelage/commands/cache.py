"""The command cache: what is kept in the cache folder, and clearing it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tutelage.core.cache_folder import cache_folder, is_cached
from tutelage.core.cache_room import cache_limit
from tutelage.core.console import name_column
from tutelage.core.errors import ConfigError, did_you_mean
from tutelage.core.names import counted

KINDS = {
    "images": "decoded images, and what is known of their files",
    "shards": "indexes of tar shards",
    "features": "features of images from frozen networks",
    "engines": "networks compiled for this processor",
}
ALL = "all"
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(frozen=True)
class Kept:
    """The files of one kind: their number, their bytes, and when one was used last, in seconds since the epoch."""

    files: int
    size: int
    used: float


def kept(kind: str) -> Kept:
    """What the cache folder holds of a kind."""
    stats = [path.stat() for path in _files(kind)]
    return Kept(len(stats), sum(stat.st_size for stat in stats), max((stat.st_mtime for stat in stats), default=0.0))


def print_cache(console: Console) -> None:
    """Print the cache folder and what it holds."""
    found = {kind: kept(kind) for kind in KINDS}
    console.print(f"The cache folder is {cache_folder()}", markup=False, soft_wrap=True)
    table = Table(name_column("kind"), "what")
    for heading in ("files", "size", "last used"):
        table.add_column(heading, justify="right")
    for kind, what in KINDS.items():
        own = found[kind]
        table.add_row(kind, what, f"{own.files:,}", size_text(own.size), _ago(own.used) if own.files else "-")
    console.print(table)
    total = sum(own.size for own in found.values())
    limit = f"decoded images take at most {size_text(cache_limit())}, then those not used for longest make way"
    console.print(f"{size_text(total)} in all; {limit}", markup=False)


def clear_cache(kind: str, console: Console) -> None:
    """Delete all files of a kind, or of all kinds (`all`). They are made anew when they are needed.

    Raises:
        ConfigError: there is no such kind.
    """
    if kind not in (ALL, *KINDS):
        known = [*KINDS, ALL]
        raise ConfigError(f"there is no '{kind}' in the cache{did_you_mean(kind, known)}; it holds {', '.join(KINDS)}")
    files = freed = 0
    for name in KINDS if kind == ALL else (kind,):
        for path in _files(name):
            with contextlib.suppress(OSError):  # another process uses it, or was faster
                size = path.stat().st_size
                path.unlink()
                files, freed = files + 1, freed + size
    console.print(
        f"{counted(files, 'file')} deleted, {size_text(freed)} freed in {cache_folder()}", markup=False, soft_wrap=True
    )


def size_text(size: float) -> str:
    """A number of bytes with its unit, e.g. 1.5 GB."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size:.0f} bytes"


def _files(kind: str) -> Iterator[Path]:
    folder = cache_folder() / kind
    return (path for path in sorted(folder.glob("*")) if is_cached(path.name) and path.is_file())


def _ago(then: float) -> str:
    seconds = max(time.time() - then, 0.0)
    for unit, name in ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= unit:
            count = int(seconds / unit)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"
