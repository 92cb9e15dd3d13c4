"""Curves for TensorBoard, written without a thread, so that a full disk shows where and when it is met."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tutelage.core.errors import RunError

_NAME = re.compile(r"events\.out\.tfevents\.\d{18,}\.\d+")


def is_event_file(name: str) -> bool:
    """Whether `Curves` gives files such names; those of other programs also name the host."""
    return _NAME.fullmatch(name) is not None


class Curves:
    """An event file of a run; nothing is written where the package `tensorboard` is not installed.

    Args:
        start: the step the run goes on from; curves of an earlier part that lie after it are hidden.

    Raises:
        RunError: the file cannot be written.
    """

    def __init__(self, folder: Path, *, start: int) -> None:
        self.folder = folder
        self._writer: Any = None
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            return
        name = f"events.out.tfevents.{time.time_ns()}.{os.getpid()}"
        try:
            folder.mkdir(exist_ok=True)
            self._writer = RecordWriter((folder / name).open("wb"))
        except OSError as error:
            raise self._error(error) from None
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if start:
            log = SessionLog(status=SessionLog.SessionStatus.START)
            self._write(Event(wall_time=time.time(), step=start + 1, session_log=log))

    def add(self, prefix: str, step: int, values: Mapping[str, float]) -> None:
        """One point of each curve.

        Raises:
            RunError: the file cannot be written.
        """
        if self._writer is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        points = [Summary.Value(tag=f"{prefix}/{name}", simple_value=value) for name, value in values.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=points)))

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            with suppress(OSError):  # every point was flushed, or its failure told
                self._writer.close()

    def _write(self, event: Any) -> None:
        try:
            self._writer.write(event.SerializeToString())
            self._writer.flush()
        except OSError as error:
            raise self._error(error) from None

    def _error(self, error: OSError) -> RunError:
        return RunError(f"cannot write {self.folder}: {error.strerror}")
