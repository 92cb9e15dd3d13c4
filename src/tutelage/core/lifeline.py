"""Processes that end with the one that started them, however that one ends: a run is never left at work alone.

The parent holds one end of a pipe that it never writes to. The system closes it when the parent is gone, even if it was
killed, and the child, which reads the other end, gets SIGTERM: it saves and stops.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Mapping
from typing import Any

_VARIABLE = "TUTELAGE_LIFELINE"  # the descriptor of the reading end


def tied(environment: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of `subprocess.Popen` for a `tutelage` command, or a process that forks them, that ends with this one.

    Args:
        environment: of the process.
    """
    if os.name != "posix":
        return {"env": dict(environment)}
    reading = _pipe()[0]
    return {"env": {**environment, _VARIABLE: str(reading)}, "pass_fds": (reading,)}


def end_with_parent() -> None:
    """In a process that was started with `tied`: watch for the end of the parent; elsewhere, do nothing."""
    given = os.environ.pop(_VARIABLE, "")
    if given.isdecimal():
        threading.Thread(target=_watch, args=(int(given),), daemon=True).start()


@functools.cache
def _pipe() -> tuple[int, int]:
    return os.pipe()  # open as long as this process lives


def _watch(descriptor: int) -> None:
    try:
        os.read(descriptor, 1)
    except OSError:  # it was not passed on
        return
    os.kill(os.getpid(), signal.SIGTERM)
