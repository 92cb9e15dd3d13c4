"""The command cache, and the flag --cache that every command takes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tutelage import commands
from tutelage.cli.application import app
from tutelage.core.cache_folder import VARIABLE
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError

FLAG = "--cache"


@app.command(
    sort_key=9,
    usage="Usage: tutelage cache [OPTIONS]",
    help_epilogue=f"Every command takes {FLAG} DIR, or the folder from the environment variable {VARIABLE}.\n"
    "Example: tutelage cache --clear images",
)
def cache(*, clear: str | None = None) -> None:
    """Show what is kept for later commands, such as decoded images, or delete it.

    Parameters
    ----------
    clear
        What to delete: images, shards, features, engines, or all. It is made anew when it is needed.
    """
    if clear is None:
        commands.print_cache(screen())
    else:
        commands.clear_cache(clear, screen())


def take_cache(tokens: Sequence[str]) -> list[str]:
    """The tokens without `--cache DIR`, which names the cache folder of this process and those that it starts.

    Raises:
        ConfigError: it has no value, is given twice, or names a file.
    """
    rest: list[str] = []
    remaining, folder = list(tokens), None
    while remaining:
        token = remaining.pop(0)
        if token == "--":
            return [*rest, token, *remaining]
        if token != FLAG and not token.startswith(f"{FLAG}="):
            rest.append(token)
            continue
        if folder is not None:
            raise ConfigError(f"{FLAG} is given twice: give it once")
        folder = token.partition("=")[2] or (remaining.pop(0) if token == FLAG and remaining else "")
        if not folder or folder.startswith("--"):
            raise ConfigError(f"{FLAG} needs a folder: {FLAG} DIR")
        path = Path(folder).expanduser().absolute()
        if path.exists() and not path.is_dir():
            raise ConfigError(f"{FLAG} must be a folder, {folder} is a file")
        os.environ[VARIABLE] = str(path)
    return rest
