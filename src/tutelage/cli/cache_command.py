"""The command cache."""

from __future__ import annotations

from tutelage import commands
from tutelage.cli.application import app
from tutelage.cli.everywhere import CACHE
from tutelage.core.cache_folder import VARIABLE
from tutelage.core.console import screen


@app.command(
    sort_key=9,
    usage="Usage: tutelage cache [OPTIONS]",
    help_epilogue=f"Every command takes {CACHE} DIR, or the folder from the environment variable {VARIABLE}.\n"
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
