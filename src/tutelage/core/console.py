"""Where messages to the user are printed."""

from __future__ import annotations

import io
import os
import warnings
from contextlib import suppress
from typing import IO, Any

from rich.console import Console
from rich.table import Column

from tutelage.core.notebook import in_notebook


class LastingStream:
    """A text stream that goes on, and is silent, when it can no longer be written: its reader is gone, its disk full.

    A training must not end, unsaved, since nobody reads what it says.

    Attributes:
        fault: the first error, or None.
    """

    def __init__(self, stream: IO[str] | None) -> None:
        self.stream = io.StringIO() if stream is None else stream  # None of one that was closed before the start
        self.fault: OSError | None = None

    def write(self, text: str) -> int:
        """Write, if that is still possible."""
        try:
            return self.stream.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush, if that is still possible."""
        try:
            self.stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.fault = self.fault or error
        with suppress(OSError, ValueError):  # else what is buffered is tried, and fails, again
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Screen(Console):
    """A console that goes on when its output can no longer be written."""

    @property
    def file(self) -> IO[str]:
        found = super().file
        return found if isinstance(found, LastingStream) else LastingStream(found)  # type: ignore[return-value]

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        self._file = new_file


def screen(*, quiet: bool = False) -> Console:
    """The standard output.

    Text is printed as it is, because it may contain names of files and classes: without markup, line wrapping or
    highlighting. In a notebook, too, which is no terminal, and where rich would make an output of its own of each line.
    """
    terminal = False if in_notebook() else None
    return _Screen(
        quiet=quiet, markup=False, highlight=False, soft_wrap=True, force_jupyter=False, force_terminal=terminal
    )


def name_column(heading: str) -> Column:
    """A column of names in a table: where space is short they go on in the next line, and are never cut."""
    return Column(heading, overflow="fold")


def warn(line: str) -> None:
    """Say what is left out as a warning of Python, where no command prints it."""
    warnings.warn(line.removeprefix("warning: "), stacklevel=3)
