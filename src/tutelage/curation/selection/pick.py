"""What every strategy returns: which image to label, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pick:
    """A row to label, and the reason, which is safe to print."""

    row: int
    reason: str
