"""Where messages to the user are printed."""

from __future__ import annotations

import warnings

from rich.console import Console
from rich.table import Column


def screen(*, quiet: bool = False) -> Console:
    """The standard output.

    Text is printed as it is, because it may contain names of files and classes: without markup, line wrapping or
    highlighting.
    """
    return Console(quiet=quiet, markup=False, highlight=False, soft_wrap=True)


def name_column(heading: str) -> Column:
    """A column of names in a table: where space is short they go on in the next line, and are never cut."""
    return Column(heading, overflow="fold")


def warn(line: str) -> None:
    """Say what is left out as a warning of Python, where no command prints it."""
    warnings.warn(line.removeprefix("warning: "), stacklevel=3)
