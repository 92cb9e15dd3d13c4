"""The flags that every command takes: --cache and --memory-limit."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tutelage.core import cache_folder, memory
from tutelage.core.environment import check_environment
from tutelage.core.errors import ConfigError
from tutelage.core.inputs import user_path

CACHE = "--cache"


def take_everywhere(tokens: Sequence[str]) -> list[str]:
    """The tokens without these flags, whose values hold for this process and those that it starts.

    Raises:
        ConfigError: a flag has no value or a wrong one, or is given twice; or an environment variable is wrong.
    """
    if (gone := unusable_working_folder()) is not None:
        raise ConfigError(f"the working folder cannot be used ({gone}): change to another one")
    rest, folder = _take([_at_home(token) for token in tokens], CACHE, "a folder", "DIR")
    if folder is not None:
        path = user_path(folder).absolute()
        if path.exists() and not path.is_dir():
            raise ConfigError(f"{CACHE} must be a folder, {folder} is a file")
        os.environ[cache_folder.VARIABLE] = str(path)
    rest, limit = _take(rest, memory.FLAG, "a size", "8GB")
    if limit is not None:
        memory.read_size(limit)
        os.environ[memory.VARIABLE] = limit
    check_environment()
    return rest


def unusable_working_folder() -> str | None:
    """Why the working folder cannot be used, such as that it was deleted; None if it can be."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError as error:
        return error.strerror or str(error)
    return None


def _at_home(token: str) -> str:
    """A token with `~` replaced where it begins a path, which a shell does not do after `=`."""
    flag, equals, value = token.partition("=") if token.startswith("--") else ("", "", token)
    if not value.startswith("~") or os.path.lexists(value):  # a file may be called so
        return token
    return f"{flag}{equals}{user_path(value)}"


def _take(tokens: Sequence[str], flag: str, what: str, example: str) -> tuple[list[str], str | None]:
    rest: list[str] = []
    remaining, value = list(tokens), None
    while remaining:
        token = remaining.pop(0)
        if token == "--":
            return [*rest, token, *remaining], value
        if token != flag and not token.startswith(f"{flag}="):
            rest.append(token)
            continue
        if value is not None:
            raise ConfigError(f"{flag} is given twice: give it once")
        value = token.partition("=")[2] or (remaining.pop(0) if token == flag and remaining else "")
        if not value or value.startswith("--"):
            raise ConfigError(f"{flag} needs {what}: {flag} {example}")
    return rest, value
