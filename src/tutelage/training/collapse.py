"""Detects collapsed features in the log of a self-supervised method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tutelage.training.streak import ALARM_LINES, streak

_WARMUP = 0.05  # share of training without alarms: at first, features vary in few directions
_FLAT_RANK, _FLAT_SPREAD = 1.5, 0.02


def alarm(rows: Sequence[Mapping[str, Any]], *, total: int) -> str | None:
    """What is wrong with the features, with advice, or None.

    Args:
        rows: the training lines of metrics.jsonl so far; those of `streak` decide. Without `effective_rank` and
            `feature_spread` in them there is no alarm.
        total: number of optimizer steps.
    """
    last = streak(rows, total)
    if len(last) < ALARM_LINES or last[0]["step"] < _WARMUP * total or any("effective_rank" not in row for row in last):
        return None
    advice = "Try a smaller optimizer.lr, a larger method.queue_size or batch, or method.ema_decay closer to 1"
    if all(row["feature_spread"] < _FLAT_SPREAD for row in last):
        spread = last[-1]["feature_spread"]
        return f"features: nearly the same for all images (spread {spread:.3f}): the encoder has collapsed. {advice}"
    if all(row["effective_rank"] < _FLAT_RANK for row in last):
        rank = last[-1]["effective_rank"]
        return (
            f"features: they vary in a single direction (effective rank {rank:.2f}): the encoder has collapsed. "
            f"{advice}"
        )
    return None
