"""SIGINT and SIGTERM set a flag, which the loop reads between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from tutelage.core.distributed import any_rank
from tutelage.core.errors import Interrupted


class StopFlag:
    """While open, the first SIGINT or SIGTERM sets a flag; a second one ends the process at once.

    The handler does nothing else (except inside `at_once`), because saving inside a handler could interrupt another
    save. The old handlers are restored at the end. Outside the main thread, where Python allows no handlers, the flag
    is never set.
    """

    def __init__(self) -> None:
        self.number = 0
        self._at_once = False
        self._old: dict[int, Any] = {}

    def __enter__(self) -> StopFlag:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._set_flag)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._old.clear()

    def _set_flag(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.number = number
        if self._at_once:
            self.check()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """While open, a signal raises `Interrupted` immediately: for long phases that have nothing to save."""
        self._at_once = True
        try:
            self.check()
            yield
        finally:
            self._at_once = False

    def asked(self) -> int:
        """The number of the signal that any rank received, or 0."""
        return any_rank(self.number)

    def check(self) -> None:
        """Raise `Interrupted` if a signal came: for phases that have nothing to save."""
        if self.number:
            raise Interrupted(f"stopped by {signal.Signals(self.number).name}", self.number)


def interrupted(done: int, total: int, signal_number: int) -> Interrupted:
    """The error that ends a training after step `done`, once that step is saved."""
    return Interrupted(f"stopped after step {done} of {total}, which is saved", signal_number)
