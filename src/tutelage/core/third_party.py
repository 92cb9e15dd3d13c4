"""One rule for all readers: whatever a library raises on a file is a fault of that file, and names it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tutelage.core.errors import DataError, TutelageError, is_out_of_memory
from tutelage.core.names import shown

_LONGEST = 300  # characters of what a library says
TOO_LARGE = "does not fit into the memory of this machine"


@contextmanager
def fault_of(
    path: str | os.PathLike[str],
    what: str,
    kind: type[TutelageError] = DataError,
    *,
    passed: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """While open, an error is one of `kind`, a sentence that starts with the path.

    Damaged bytes make libraries raise almost anything. A missing package is no fault of the file, and passes.

    Args:
        what: it should be, such as "NIfTI file".
        passed: errors that are raised as they are, besides those of tutelage.

    Raises:
        TutelageError: anything was raised.
    """
    where = shown(os.fsdecode(path))
    try:
        yield
    except (TutelageError, ModuleNotFoundError):
        raise
    except FileNotFoundError:
        raise kind(f"{where} does not exist") from None
    except OSError as error:
        raise kind(f"{where} cannot be read: {said_by(error)}") from None
    except Exception as error:
        if isinstance(error, passed):
            raise
        if is_out_of_memory(error):
            raise kind(f"{where} {TOO_LARGE}") from None
        raise kind(f"{where} is not a readable {what}: {said_by(error)}") from None


def said_by(error: Exception) -> str:
    """What an error says, on one line: without its number if it is of the system, and its type if it says nothing."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(shown(text).split())[:_LONGEST] or type(error).__name__
