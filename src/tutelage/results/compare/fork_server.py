"""A process that has imported what a training needs and forks itself for each run, which then starts in a moment.

As a program it is that process: `python -m tutelage.results.compare.fork_server DESCRIPTOR` answers requests on a
socket until the other side closes it. It makes no tensor and never asks for a GPU, so that a fork is as fresh as a
process of its own. It uses the standard library alone before it imports the rest.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import IO, Any

POSSIBLE = sys.platform == "linux"  # elsewhere a fork has no descriptors to inherit, or system libraries break in it
MODULES = (
    *("tutelage.cli", "tutelage.commands.train", "tutelage.commands.run", "tutelage.run.start", "tutelage.run.curves"),
    *("torch._dynamo", "tensorboard.summary"),
)
"""What a command, an optimizer and the curves import."""
_PAUSE = 0.01  # seconds between two looks at a run that is waited for
_READY = None  # the first message of the server


class ServerLostError(Exception):
    """The server has ended, or never began."""


class ForkedRun:
    """A run that the server started: what is used of `subprocess.Popen`."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.server, self.pid = server, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while the process runs."""
        if self.returncode is None:
            try:
                self.returncode = self.server.ask(self.pid)
            except ServerLostError:  # and the exit code with it
                self.returncode = None if _exists(self.pid) else 1
        return self.returncode

    def wait(self) -> int:
        """The exit code, once the process has ended."""
        while (code := self.poll()) is None:
            time.sleep(_PAUSE)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended; until `poll` says so, its number is given to no other."""
        if self.poll() is None:
            os.kill(self.pid, number)


class ForkServer:
    """The process that forks, seen from the one that asks it. It is ready once it has imported what runs need."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.link, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._ready = False

    def ready(self) -> bool:
        """Whether it can start a run at once.

        Raises:
            ServerLostError: it has ended.
        """
        if not self._ready and select.select([self.link], [], [], 0)[0]:
            self._ready = self._answer() is _READY
        return self._ready

    def start(self, words: Sequence[str], output: IO[bytes]) -> ForkedRun:
        """Start `tutelage WORDS` in a session of its own, which writes to a file.

        Raises:
            ServerLostError: the server has ended.
        """
        return ForkedRun(self, self.ask(list(words), output.fileno()))

    def ask(self, request: list[str] | int, *descriptors: int) -> Any:
        """The number of a new process for the words of a command, and the exit code or None for a number."""
        try:
            socket.send_fds(self.link, [json.dumps(request).encode() + b"\n"], descriptors)
        except OSError as error:
            raise ServerLostError from error
        return self._answer()

    def _answer(self) -> Any:
        said = b""
        while not said.endswith(b"\n"):
            try:
                part = self.link.recv(1 << 10)
            except OSError as error:
                raise ServerLostError from error
            if not part:
                raise ServerLostError
            said += part
        return json.loads(said)

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


def _serve(link: socket.socket) -> list[str] | None:
    """Answer requests until the other side closes: then None. In a fork, the words of its command."""
    _tell(link, _READY)
    while True:
        said, descriptors = b"", list[int]()
        while not said.endswith(b"\n"):
            part, more, _, _ = socket.recv_fds(link, 1 << 16, 1)
            if not part:
                return None
            said, descriptors = said + part, descriptors + more
        request = json.loads(said)
        if isinstance(request, int):
            pid, status = os.waitpid(request, os.WNOHANG)
            _tell(link, os.waitstatus_to_exitcode(status) if pid else None)
            continue
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            pid = os.fork()  # warns of the idle threads of a linear algebra library, which provides for forks
        if pid == 0:
            link.close()
            os.setsid()  # so that Ctrl-C reaches a run once, from the comparison
            for number in (1, 2):
                os.dup2(descriptors[0], number)
        os.close(descriptors[0])
        if pid == 0:
            return [str(word) for word in request]
        _tell(link, pid)


def _tell(link: socket.socket, answer: int | None) -> None:
    link.sendall(json.dumps(answer).encode() + b"\n")


def _import_all() -> None:
    gc.disable()  # a third of the time of importing
    for name in MODULES:
        with suppress(ImportError):  # an optional package; a run says so if it needs it
            import_module(name)
    if import_module("torch").cuda.is_initialized():
        sys.exit("a GPU that is in use does not outlive a fork")  # runs are started without forks then
    gc.enable()
    gc.freeze()  # so that collections in a fork do not go through, and copy, what is imported


if __name__ == "__main__":
    _import_all()
    command = _serve(socket.socket(fileno=int(sys.argv[1])))
    if command is not None:
        sys.argv = ["tutelage", *command]
        runpy.run_module("tutelage", run_name="__main__", alter_sys=True)
