"""Waiting for a process of which nobody tells when it ends."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import ClassVar


class Polled(ABC):
    """What is used of `subprocess.Popen` where an end can only be seen by looking.

    Attributes:
        pause: seconds between two looks.
    """

    pause: ClassVar[float]

    @abstractmethod
    def poll(self) -> int | None:
        """The exit code; None until it has ended."""

    def wait(self) -> int:
        """The exit code, once it has ended."""
        while (code := self.poll()) is None:
            time.sleep(self.pause)
        return code
