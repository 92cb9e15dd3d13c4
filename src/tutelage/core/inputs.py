"""The one guard of what a command reads: nothing is ever written onto it, whatever else is allowed.

Two paths are the same file if they have the same inode, so links of both kinds and another case of letters are seen
through. A file that is there already and lies in a folder that is read is taken for one that is read, since a source is
searched for images, scans, tables and lists of many names. Pages are not: no source reads them. New files in such a
folder are allowed: they lose nothing.

Masks have names that a source of scans looks for, so that a folder of masks is refused in, above and at such a source:
there, they would replace scans, or be read as scans or labels the next time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tutelage.core.errors import ConfigError, RunError
from tutelage.core.names import brief, shown

_PAGES = (".html", ".htm", ".md")


def require_path(given: Any, name: str, *, also: str = "") -> Path:
    """What is given as a path, which must be one that a file or folder may have.

    Args:
        name: what an error calls it.
        also: what else it may be, for the message.

    Raises:
        ConfigError: it is no text and no path, or has a null character, which no path has.
    """
    if not isinstance(given, str | os.PathLike):
        raise ConfigError(f"{name} must be a path{also}, got {brief(repr(given))}")
    if "\0" in str(given):
        raise ConfigError(f"{name} must not have a null character, got {shown(str(given))}")
    return Path(given)


def user_path(text: str | os.PathLike[str]) -> Path:
    """A path as the user gave it, with `~` replaced.

    Raises:
        ConfigError: it starts with `~NAME`, and there is no such user, or no home folder is known; or it is no path.
    """
    try:
        return require_path(text, "a path").expanduser()
    except RuntimeError:
        raise ConfigError(
            f"{shown(os.fspath(text))}: the home folder of this user is not known; write the path out"
        ) from None


def refuse_input(out: Path, reads: Iterable[Any]) -> None:
    """Check that writing the file `out` replaces nothing that the command reads; see `refuse_inputs`."""
    refuse_inputs([out], reads)


def refuse_inputs(outs: Iterable[Path], reads: Iterable[Any]) -> None:
    """Check that writing these files replaces nothing that the command reads.

    Args:
        reads: what is read: paths of files and folders, also in lists; all else, such as arrays and None, is no file.

    Raises:
        RunError: one of them is one of the files that are read, or it exists and lies in one of the folders.
    """
    written, read = list(outs), paths_in(reads)
    kept = [out for out in written if out.suffix.lower() not in _PAGES]
    for path in read:
        if same := next((out for out in written if _same(out, path)), None):
            raise RunError(f"{shown(str(same))} is read here, so it is never replaced: name another")
        if path.is_dir():
            inside = next((out for out in kept if out.exists() and _in_folder(out, path)), None)
            inside = inside or _linked_in([out for out in kept if out.is_file()], path)
            if inside is not None:
                raise RunError(
                    f"{shown(str(inside))} lies in {shown(str(path))}, which is read here, so it is never replaced: "
                    "name another"
                )


def refuse_inputs_in(folder: Path, reads: Iterable[Any]) -> None:
    """Check that nothing that the command reads lies in `folder`, whose content it may replace.

    Raises:
        RunError: a file or folder of `reads` does.
    """
    for path in paths_in(reads):
        if path.exists() and (_same(folder, path) or lies_in(path, folder)):
            what = shown(str(path))
            raise RunError(f"{what} is read here, so {shown(str(folder))} is never replaced: choose another folder")


def refuse_apart(folder: Path, reads: Iterable[Any]) -> None:
    """Check that a folder of masks is no folder that is read, and lies neither in nor above one.

    Args:
        reads: sources and the files in them, as in `refuse_input`.

    Raises:
        RunError: it does; the message says where.
    """
    seen: set[Path] = set()
    for path in paths_in(reads):
        source = path if path.is_dir() else path.absolute().parent
        if source in seen or not source.is_dir():
            continue
        seen.add(source)
        inside = path.is_dir() and lies_in(folder, source)
        where = "is" if _same(folder, source) else "lies in" if inside else "holds" if lies_in(source, folder) else ""
        if where:
            raise RunError(
                f"{shown(str(folder))} {where} {shown(str(path if source == path else source))}, the folder of the "
                "scans that are read: masks would replace scans or be taken for them; give a folder elsewhere"
            )


def paths_in(reads: Iterable[Any]) -> list[Path]:
    """The paths among what is read, with `~` replaced; names that no file can have are left out."""
    found: list[Path] = []
    for one in reads:
        if isinstance(one, str | os.PathLike):
            with suppress(OSError, ValueError, RuntimeError):  # too long, with a null character, of an unknown user
                path = Path(one).expanduser()
                path.exists()
                found.append(path)
        elif isinstance(one, list | tuple):
            found += paths_in(one)
    return found


def real_path(path: str | os.PathLike[str]) -> Path:
    """The absolute path without symbolic links, as far as they lead anywhere; those that lead to themselves stay."""
    return Path(os.path.realpath(path))  # `Path.resolve` raises RuntimeError for them


def _same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file or folder."""
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return real_path(one) == real_path(other)


def lies_in(path: Path, folder: Path) -> bool:
    """Whether a path, which need not exist, is below `folder`."""
    return any(_same(above, folder) for above in real_path(path).parents if above.exists())


def _in_folder(file: Path, folder: Path) -> bool:
    """Whether a file or link lies in `folder` or below, or leads into it."""
    return lies_in(file, folder) or lies_in(file.absolute().parent / "x", folder)


def _linked_in(files: list[Path], folder: Path) -> Path | None:
    """The first of some files that a link in `folder` or below leads to, of either kind."""
    wanted = {(found.st_dev, found.st_ino): file for file in files for found in (file.stat(),)}
    inodes = {inode for _, inode in wanted}
    for entry in _entries(folder) if wanted else ():
        symbolic = entry.is_symlink()
        if not symbolic and entry.inode() not in inodes:  # no call of the system: there may be a million files
            continue
        try:
            found = entry.stat()
        except OSError:  # a broken link
            continue
        if (found.st_dev, found.st_ino) in wanted:
            return wanted[found.st_dev, found.st_ino]
        if symbolic and entry.is_dir():
            inside = next((file for file in files if lies_in(file, Path(entry.path))), None)
            if inside is not None:
                return inside
    return None


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """All that is in a folder and below; links to folders are not followed."""
    waiting = [str(folder)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:  # not readable, or gone by now
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
