"""Where messages to the user are printed."""

from __future__ import annotations

from rich.console import Console


def screen(*, quiet: bool = False) -> Console:
    """The standard output.

    Text is printed as it is, because it may contain names of files and classes: without markup, line wrapping or
    highlighting.
    """
    return Console(quiet=quiet, markup=False, highlight=False, soft_wrap=True)
