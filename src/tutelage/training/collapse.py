"""Whether features still tell one image from another: looked at in the log of a method that learns without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ALARM_LINES = 3  # log lines in a row before an alarm
_WARMUP = 0.05  # share of training without alarms: a new network's features vary in few directions
_FLAT_RANK, _FLAT_SPREAD = 1.5, 0.02


def alarm(rows: Sequence[Mapping[str, Any]], *, total: int) -> str | None:
    """What is wrong with the features, with advice, or None.

    Args:
        rows: the training lines of metrics.jsonl so far; the last three decide. Lines without `effective_rank` and
            `feature_spread` are of a method that this says nothing of.
        total: steps of the whole training.
    """
    last = rows[-ALARM_LINES:]
    if len(last) < ALARM_LINES or last[0]["step"] < _WARMUP * total or any("effective_rank" not in row for row in last):
        return None
    advice = "Try a smaller optimizer.lr, a larger method.queue_size or batch, or method.ema_decay nearer to 1"
    if all(row["feature_spread"] < _FLAT_SPREAD for row in last):
        spread = last[-1]["feature_spread"]
        return f"features: all images have nearly the same (spread {spread:.3f}): the encoder collapses. {advice}"
    if all(row["effective_rank"] < _FLAT_RANK for row in last):
        rank = last[-1]["effective_rank"]
        return (
            f"features: they vary in one direction alone (effective rank {rank:.2f}): the encoder collapses. {advice}"
        )
    return None
