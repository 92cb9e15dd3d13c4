"""Processes that start at once: forks of one that has imported what training needs, which takes seconds otherwise.

As a script it is the process that forks: `starter.py DESCRIPTOR`. It makes no tensor, so that a fork is as fresh as a
process of its own. A request has the words after `python`, with the environment and the folder.
"""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tutelage.results.compare.forking import ask, import_all, serve

LATE = (
    *("torch._dynamo", "sklearn.metrics", "tensorboard.summary"),
    *("tutelage.cli", "tutelage.commands.run", "tutelage.run.start", "tutelage.run.curves"),
)
"""What an optimizer, the scores, the curves and a command import."""


class Started:
    """A process, as far as tests use one of `subprocess.Popen`."""

    def __init__(self, starter: Starter, pid: int, out: IO[bytes], error: IO[bytes]) -> None:
        self.starter, self.pid, self.out, self.error = starter, pid, out, error
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            self.returncode = ask(self.starter.link, self.pid)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 120.0) -> tuple[str, str]:
        """What it wrote to standard output and standard error until it ended."""
        late = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > late:
                self.kill()
                raise TimeoutError(f"process {self.pid} takes more than {timeout} s")
            time.sleep(0.005)
        said = []
        for file in (self.out, self.error):
            file.seek(0)
            said.append(file.read().decode(errors="surrogateescape"))
            file.close()
        return said[0], said[1]


class Starter:
    """The process that forks; closing it ends it, and no process that it started."""

    def __init__(self) -> None:
        self.link, theirs = socket.socketpair()
        with theirs:
            words = [sys.executable, "-P", __file__, str(theirs.fileno())]
            self.process = subprocess.Popen(words, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def start(
        self, *words: object, env: Mapping[str, str] | None = None, cwd: Path | None = None, strict: bool = False
    ) -> Started:
        """`python WORDS`, the words being `-m MODULE ...`, `-c CODE ...` or `SCRIPT ...`; `strict` is `-W error`."""
        out, error = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - `communicate` closes them
        request = {
            "words": [os.fsdecode(word) if isinstance(word, bytes) else str(word) for word in words],
            "env": dict(os.environ if env is None else env),
            "cwd": str(cwd or Path.cwd()),
            "strict": strict,
        }
        return Started(self, ask(self.link, request, out.fileno(), error.fileno()), out, error)

    def close(self) -> None:
        self.link.close()
        self.process.wait(60)


def become(words: list[str], env: dict[str, str], cwd: str, strict: bool) -> None:
    """Run what `python WORDS` would run."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as from a terminal: a job in the background ignores it
    importlib.import_module("torch").set_num_threads(int(env.get("OMP_NUM_THREADS", 1)))
    if strict:
        warnings.simplefilter("error")
    if "PYTHONIOENCODING" in env:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding=env["PYTHONIOENCODING"])  # type: ignore[union-attr]
    if words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        sys.path.insert(0, cwd)
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
    elif words[0] == "-m":
        sys.argv = words[1:]
        sys.path.insert(0, cwd)
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(words[0]).resolve().parent))
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    import_all(LATE)
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        become(**asked)
