"""A table of cases as one test: every row is checked, and the failure names all rows that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest

T = TypeVar("T")


def check_rows(rows: Iterable[T], check: Callable[[T], object], name: Callable[[T], str] = str) -> None:
    """Calls `check` on every row, and fails if it failed on any or if there are no rows.

    Args:
        rows: the cases.
        check: asserts what holds for a row.
        name: what the failure calls a row.
    """
    checked, failed = 0, []
    for row in rows:
        checked += 1
        try:
            check(row)
        except (Exception, pytest.fail.Exception) as error:
            failed.append(f"{name(row)}: {type(error).__name__}: {error}")
    assert checked, "the table has no rows"
    assert not failed, f"{len(failed)} of {checked} rows failed:\n" + "\n\n".join(failed)
