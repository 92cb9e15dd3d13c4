"""The exceptions of the package.

    TutelageError            every error that the package raises; the command line prints it and exits with 2
    ├── ConfigError          a setting is unknown, of the wrong type, out of range, or contradicts another
    │   └── MissingExtra     a setting needs a package that is not installed
    ├── DataError            images, labels or splits; `.faults` lists every fault that was found
    ├── RunError             a run folder exists, is locked, is not a run, or does not match
    │   └── CheckpointError  a checkpoint is damaged, missing or in another format
    ├── PartlyFailed         some items could not be read, and the result holds the others; exits with 1
    ├── NonFiniteError       training produced NaN or infinity
    └── Interrupted          the run stopped on SIGINT or SIGTERM; exits with 130 or 143

Messages say what was expected, what was found, and where (file, line, setting). They end with what to do about it, if
that is known.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from tutelage.core.wording import command


class TutelageError(Exception):
    """Base class of all errors that the package raises. The command line exits with `exit_code`."""

    exit_code = 2


class ConfigError(TutelageError):
    """A setting is unknown, of the wrong type, out of range, or contradicts another."""


class MissingExtra(ConfigError):
    """A setting asks for an optional package that is not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs the package '{package}': pip install 'tutelage[{extra}]'")


class DataError(TutelageError):
    """Images, labels or splits are not as expected.

    Args:
        faults: one sentence per fault, each naming the file and, in a table, the line.
        shown: how many of them the message lists.
    """

    def __init__(self, faults: str | Sequence[str], *, shown: int = 20) -> None:
        self.faults: list[str] = [faults] if isinstance(faults, str) else list(faults)
        self.shown = shown
        super().__init__(self.faults[0] if len(self.faults) == 1 else self._list())

    def _list(self) -> str:
        lines = [f"{len(self.faults)} problems in the data:", *(f"  {fault}" for fault in self.faults[: self.shown])]
        if len(self.faults) > self.shown:
            lines.append(
                f"  (and {len(self.faults) - self.shown} more; all with: {command('check', 'DATA', out='report.json')})"
            )
        return "\n".join(lines)


class RunError(TutelageError):
    """A run folder exists already, is in use, is not a run folder, or does not match the request."""


class NotBetter(TutelageError):
    """A trial on held-out labels found that a training does not pay, so that it was not done."""


class CheckpointError(RunError):
    """A checkpoint is damaged, missing, or in a format that this version cannot read."""


class PartlyFailed(TutelageError):
    """Some of the items could not be read; the result is written, and holds the others. Only commands raise it."""

    exit_code = 1


class NonFiniteError(TutelageError):
    """Training produced NaN or infinity; the newest checkpoint is from before that."""


class Interrupted(TutelageError):
    """The run was stopped by a signal."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that the machine or a device ran out of memory."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"  # torch's; torch is not imported here
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))  # torch's on the CPU
    )


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most similar to `word`, ignoring case, or None if none is similar."""
    by_lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def maybe(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` with the most similar known word, if any; for messages that list the known words."""
    near = nearest(word, known)
    return "" if near is None else f"; did you mean '{near}'?"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` with the most similar known word; without one, a list of known words."""
    known = list(known)
    if near := maybe(word, known):
        return near
    if not known:
        return ""
    return f"; known: {', '.join(known[:12])}" + (", ..." if len(known) > 12 else "")
