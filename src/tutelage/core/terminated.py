"""SIGTERM as an exception, as Python raises one for SIGINT, so that a command cleans up and says how it ended."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM came, outside of the phases in which a training notes signals by itself."""


def obey_sigterm() -> None:
    """From now on SIGTERM raises `Terminated` in the main thread, unless it is ignored or somebody handles it."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _raise)


def number_of(stopped: KeyboardInterrupt) -> signal.Signals:
    """The signal that raised it."""
    return signal.SIGTERM if isinstance(stopped, Terminated) else signal.SIGINT


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
