"""The last log lines that must all look bad before an alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ALARM_LINES = 3  # consecutive log lines before an alarm
MOST_STEPS = 150  # that they must cover, or
_SHARE = 0.3  # of a training that is shorter, in which lines come more often


def streak(rows: Sequence[Mapping[str, Any]], total: int) -> Sequence[Mapping[str, Any]]:
    """The last lines that cover 150 steps or 30% of training, whichever is less, and at least three if there are.

    It is empty until training has taken that many steps.

    Args:
        rows: the training lines of metrics.jsonl so far.
        total: number of optimizer steps.
    """
    span = min(MOST_STEPS, _SHARE * total)
    if not rows or rows[-1]["step"] < span:
        return []
    covered = sum(row["step"] > rows[-1]["step"] - span for row in rows)
    return rows[-max(ALARM_LINES, covered) :]
