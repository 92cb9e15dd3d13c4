"""Where text for people goes."""

from __future__ import annotations

from rich.console import Console


def screen(*, quiet: bool = False) -> Console:
    """The terminal, or whatever output is redirected to.

    Text is printed as it is, since names of files and classes come from outside: no markup, no wrapping of lines, no
    guessed colors.
    """
    return Console(quiet=quiet, markup=False, highlight=False, soft_wrap=True)
