"""What can go wrong, as one tree.

    TutelageError            everything raised on purpose; the command line prints it as one line and exits with 2
    ├── ConfigError          a setting: unknown, of a wrong type, out of range, or contradicting another
    │   └── MissingExtra     a setting that needs a package which is not installed
    ├── DataError            images, labels, splits; `.faults` lists every fault that was found
    ├── RunError             a run folder: exists, is locked, is no run, does not match
    │   └── CheckpointError  a checkpoint that is damaged, missing or of another format
    ├── NonFiniteError       training produced NaN or infinity
    └── Interrupted          SIGINT or SIGTERM was obeyed; exits with 130 or 143

Messages say what was expected, what came, and where (file, line, setting), and end with what to do about it where
that is known.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class TutelageError(Exception):
    """Base of all errors that are raised on purpose. `exit_code` is what the command line exits with."""

    exit_code = 2


class ConfigError(TutelageError):
    """A setting is unknown, of a wrong type, out of range, or contradicts another."""


class MissingExtra(ConfigError):
    """A setting asks for an optional package that is not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs the package '{package}': pip install 'tutelage[{extra}]'")


class DataError(TutelageError):
    """Images, labels or splits are not as expected.

    Args:
        faults: one sentence a fault, each naming the file and, in a table, the line.
        shown: how many of them the message lists.
    """

    def __init__(self, faults: str | Sequence[str], *, shown: int = 20) -> None:
        self.faults: list[str] = [faults] if isinstance(faults, str) else list(faults)
        self.shown = shown
        super().__init__(self.faults[0] if len(self.faults) == 1 else self._list())

    def _list(self) -> str:
        lines = [f"{len(self.faults)} faults in the data:", *(f"  {fault}" for fault in self.faults[: self.shown])]
        if len(self.faults) > self.shown:
            lines.append(
                f"  (and {len(self.faults) - self.shown} more; all with: tutelage check DATA --out report.json)"
            )
        return "\n".join(lines)


class RunError(TutelageError):
    """A run folder exists already, is in use, is no run folder, or does not match what is asked."""


class CheckpointError(RunError):
    """A checkpoint is damaged, missing, or of a format that this version does not read."""


class NonFiniteError(TutelageError):
    """Training produced NaN or infinity; the newest checkpoint is from before it."""


class Interrupted(TutelageError):
    """A signal asked for an end; the last completed step is saved."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the machine or of a device did not suffice."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"  # torch's, which is not imported here
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))  # torch's on a CPU
    )


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that looks most like `word`, whatever their case, or None if none does."""
    by_lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` for the nearest known word, or a list of a few known ones, or nothing."""
    known = list(known)
    near = nearest(word, known)
    if near is not None:
        return f"; did you mean '{near}'?"
    if not known:
        return ""
    return f"; known: {', '.join(known[:12])}" + (", ..." if len(known) > 12 else "")
