"""How many bad log lines in a row make an alarm, however often lines are written."""

from __future__ import annotations

import pytest

from tutelage.training.streak import streak


def steps(every: int, last: int, total: int) -> list[int]:
    rows = [{"step": step} for step in range(every, last + 1, every)]
    return [row["step"] for row in streak(rows, total)]


@pytest.mark.parametrize(
    ("every", "last", "total", "expected"),
    [
        (50, 400, 1000, [300, 350, 400]),  # three lines, as long as lines are 50 steps apart
        (25, 400, 500, [275, 300, 325, 350, 375, 400]),  # as many steps where they are not
        (100, 400, 1000, [200, 300, 400]),
        (3, 30, 60, [15, 18, 21, 24, 27, 30]),
        (1, 5, 10, [3, 4, 5]),
        (3, 15, 60, []),  # too early
        (50, 100, 1000, []),
    ],
)
def test_an_alarm_needs_three_lines_that_cover_enough_steps(
    every: int, last: int, total: int, expected: list[int]
) -> None:
    assert steps(every, last, total) == expected


def test_without_lines_there_is_no_streak() -> None:
    assert streak([], 100) == []
