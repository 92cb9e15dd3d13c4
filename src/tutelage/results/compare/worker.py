"""What a worker of a scheduler does: one `tutelage` command of a comparison."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tutelage.results.compare.plan import NO_REPORT

_PARENT_DEATH = 1  # PR_SET_PDEATHSIG of prctl(2)


def run_command(words: Sequence[str], log: str, folder: str = ".") -> int:
    """Run `tutelage WORDS` in a folder, which writes to the end of a file; gives its exit code.

    A run that has started before is resumed. The run saves and stops if the worker is interrupted or killed.
    """
    with Path(log).open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tutelage", *_begun_or_new(words, Path(folder))],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=_end_with(os.getpid()) if sys.platform == "linux" else None,
        )
        try:
            return process.wait()
        except BaseException:  # such as KeyboardInterrupt, by which schedulers cancel
            process.terminate()
            process.wait()
            raise


def _begun_or_new(words: Sequence[str], folder: Path) -> list[str]:
    if "--out" not in words:
        return list(words)
    out = words[list(words).index("--out") + 1]
    begun = (folder / out / "config.json").exists()
    return ["train", "--resume", out, NO_REPORT] if begun else list(words)


def _end_with(parent: int) -> Callable[[], None]:
    """A function for a new process, which gets SIGTERM when its parent has ended."""
    libc = ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(_PARENT_DEATH, signal.SIGTERM)
        if os.getppid() != parent:  # it has ended already
            os.kill(os.getpid(), signal.SIGTERM)

    return ask
