"""A run that a scheduler carries out elsewhere, as far as a comparison uses one of `subprocess.Popen`."""

from __future__ import annotations

from abc import abstractmethod

from tutelage.results.compare.polled import Polled


class RemoteProcess(Polled):
    """A job or task of a scheduler.

    Attributes:
        returncode: None while it waits or runs.
        lost: whether its worker was lost, so that there is no result.
    """

    pause = 0.2

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

    def send_signal(self, number: int) -> None:
        """Cancel it, whatever the signal."""
        self._stopped = True
        self.cancel()
