"""Lines that say how far a long pass over many items is, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable

from tutelage.run.progress import clock

_FIRST, _EVERY = 5.0, 15.0  # seconds until the first line, and between lines


class Countdown:
    """Says now and then how many of `total` items are done.

    Args:
        items: what they are, e.g. images.
        tell: receives a line.
    """

    def __init__(self, total: int, items: str, tell: Callable[[str], None]) -> None:
        self.total, self.items, self.tell = total, items, tell
        self._begun = time.monotonic()
        self._next = _FIRST

    def done(self, count: int) -> None:
        """`count` items are done; says so if it is time, and some are left."""
        spent = time.monotonic() - self._begun
        if spent >= self._next and 0 < count < self.total:
            left = clock(spent / count * (self.total - count))
            self.tell(f"- {count:,} of {self.total:,} {self.items}, {left} left")
            self._next = spent + _EVERY
