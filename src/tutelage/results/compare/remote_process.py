"""A run that a scheduler carries out elsewhere, as far as a comparison uses one of `subprocess.Popen`."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

_PAUSE = 0.2  # seconds between two looks


class RemoteProcess(ABC):
    """A job or task of a scheduler.

    Attributes:
        returncode: None while it waits or runs.
        lost: whether its worker was lost, so that there is no result.
    """

    def __init__(self) -> None:
        self.returncode: int | None = None
        self.lost = self._stopped = False

    @abstractmethod
    def ended(self) -> bool:
        """Whether it has ended."""

    @abstractmethod
    def result(self) -> int:
        """The exit code of its command, once it has ended; any exception if there is none."""

    @abstractmethod
    def cancel(self) -> None:
        """Ask it to stop."""

    def poll(self) -> int | None:
        """The exit code; None while it waits or runs."""
        if self.returncode is None and self.ended():
            try:
                self.returncode = self.result()
            except Exception:  # its worker was lost, or it was canceled
                self.returncode, self.lost = 1, not self._stopped
        return self.returncode

    def wait(self) -> int:
        """The exit code, once it has ended."""
        while (code := self.poll()) is None:
            time.sleep(_PAUSE)
        return code

    def send_signal(self, number: int) -> None:
        """Cancel it, whatever the signal."""
        self._stopped = True
        self.cancel()
