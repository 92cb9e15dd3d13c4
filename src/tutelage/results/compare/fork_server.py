"""A process that has imported what a training needs and forks itself for each run, which then starts in a moment.

As a program it is that process: `python -m tutelage.results.compare.fork_server DESCRIPTOR` answers requests on a
socket until the other side closes it. It makes no tensor and never asks for a GPU, so that a fork is as fresh as a
process of its own. It uses the standard library alone before it imports the rest.
"""

from __future__ import annotations

import os
import runpy
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO

from tutelage.core.interpreter import interpreter
from tutelage.core.lifeline import tied
from tutelage.results.compare.forking import ServerLostError, ask, hear, import_all, serve, tell
from tutelage.results.compare.polled import Polled

POSSIBLE = sys.platform == "linux"  # elsewhere a fork has no descriptors to inherit, or system libraries break in it
MODULES = (
    *("tutelage.cli", "tutelage.commands.train", "tutelage.commands.run", "tutelage.run.start", "tutelage.run.curves"),
    *("torch._dynamo", "tensorboard.summary"),
)
"""What a command, an optimizer and the curves import."""
_READY = None  # the first message of the server


class ForkedRun(Polled):
    """A run that the server started."""

    pause = 0.01

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.server, self.pid = server, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while the process runs."""
        if self.returncode is None:
            try:
                self.returncode = ask(self.server.link, self.pid)
            except ServerLostError:  # and the exit code with it
                self.returncode = None if _exists(self.pid) else 1
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended; until `poll` says so, its number is given to no other."""
        if self.poll() is None:
            os.kill(self.pid, number)


class ForkServer:
    """The process that forks, seen from the one that asks it. It is ready once it has imported what runs need."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.link, theirs = socket.socketpair()
        with theirs:
            options = tied(environment)
            options["pass_fds"] = (theirs.fileno(), *options["pass_fds"])
            self.process = subprocess.Popen(
                [*interpreter(), "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **options,
                start_new_session=True,
            )
        self._ready = False

    def ready(self) -> bool:
        """Whether it can start a run at once.

        Raises:
            ServerLostError: it has ended.
        """
        if not self._ready and select.select([self.link], [], [], 0)[0]:
            self._ready = hear(self.link) is _READY
        return self._ready

    def start(self, words: Sequence[str], output: IO[bytes]) -> ForkedRun:
        """Start `tutelage WORDS` in a session of its own, which writes to a file.

        Raises:
            ServerLostError: the server has ended.
        """
        return ForkedRun(self, ask(self.link, list(words), output.fileno(), output.fileno()))

    def close(self) -> None:
        """End the server; the runs that it started go on."""
        self.link.close()
        if not self._ready:
            self.process.kill()  # it would go on importing
        self.process.wait()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    import_all(MODULES)
    link = socket.socket(fileno=int(sys.argv[1]))
    tell(link, _READY)
    command = serve(link)
    if command is not None:
        os.setsid()  # so that Ctrl-C reaches a run once, from the comparison
        sys.argv = ["tutelage", *command]
        runpy.run_module("tutelage", run_name="__main__", alter_sys=True)
