"""Starting the runs of a comparison: as forks of one process that has imported torch, or as processes of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Protocol

from tutelage.core.interpreter import interpreter
from tutelage.core.lifeline import tied
from tutelage.results.compare.fork_server import POSSIBLE, ForkServer
from tutelage.results.compare.forking import ServerLostError


class Process(Protocol):
    """A run at work, as far as a comparison uses one of `subprocess.Popen`."""

    returncode: int | None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while the process runs."""

    def wait(self) -> int:
        """The exit code, once the process has ended."""

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""


class AnyLauncher(Protocol):
    """Starts `tutelage` commands, here or elsewhere."""

    def __enter__(self) -> AnyLauncher: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def ready(self) -> bool:
        """Whether a run can be started now."""

    def start(self, words: Sequence[str], output: IO[bytes]) -> Process:
        """Start `tutelage WORDS`, which writes to a file."""


class Launcher:
    """Starts `tutelage` commands with an environment. Ends its server, and no run, when it is closed.

    Importing torch takes seconds, so two runs or more are forks of a process that has done so, where the system has
    forks that are safe.
    """

    def __init__(self, environment: Mapping[str, str], *, runs: int) -> None:
        self._environment = environment
        self._server = ForkServer(environment) if POSSIBLE and runs > 1 else None

    def __enter__(self) -> Launcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()

    def ready(self) -> bool:
        """Whether a run can be started now; False while the process that forks imports."""
        try:
            return self._server is None or self._server.ready()
        except ServerLostError:
            self._give_up()
            return True

    def start(self, words: Sequence[str], output: IO[bytes]) -> Process:
        """Start `tutelage WORDS` in a session of its own, which writes to a file."""
        if self._server is not None:
            try:
                return self._server.start(words, output)
            except ServerLostError:
                self._give_up()
        return subprocess.Popen(
            [*interpreter(), "-m", "tutelage", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **tied(self._environment),
            start_new_session=True,  # so that Ctrl-C reaches a run once, from the comparison
        )

    def _give_up(self) -> None:
        """Start the next runs without the server."""
        if self._server is not None:
            self._server.close()
        self._server = None
