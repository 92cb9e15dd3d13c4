"""What a worker of a scheduler does: one `tutelage` command of a comparison."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tutelage.core.interpreter import interpreter
from tutelage.core.lifeline import tied
from tutelage.results.compare.plan import NO_REPORT


def run_command(words: Sequence[str], log: str, folder: str = ".") -> int:
    """Run `tutelage WORDS` in a folder, which writes to the end of a file; gives its exit code.

    A run that has started before is resumed. The run saves and stops if the worker is interrupted or killed.
    """
    with Path(log).open("ab") as output:
        process = subprocess.Popen(
            [*interpreter(), "-m", "tutelage", *_begun_or_new(words, Path(folder))],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **tied(os.environ),
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
