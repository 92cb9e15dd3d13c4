"""Runs ordinary commands in a benchmark with one thread each, and keeps their output and CPU time next to the run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def train_counted(words: Sequence[str], run: Path) -> None:
    """Run a command that trains in `run`, unless that run is finished; an interrupted run is resumed."""
    if (run / "result.json").exists():
        return
    if (run / "config.json").exists():
        words = ["tutelage", words[1], "--resume", str(run), "--no-report"]
    run_counted(words, run)


def run_counted(words: Sequence[str], place: Path) -> None:
    """Run a command with one thread. Its output and CPU time are saved in files named after `place`."""
    log = place.with_name(f"{place.name}.log")
    with log.open("a") as stream:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", *words],
            {**os.environ, "OMP_NUM_THREADS": "1"},
            file_actions=[(os.POSIX_SPAWN_DUP2, stream.fileno(), 1), (os.POSIX_SPAWN_DUP2, stream.fileno(), 2)],
        )
        _, status, usage = os.wait4(pid, 0)
    spent = place.with_name(f"{place.name}.cpu")
    before = float(spent.read_text()) if spent.exists() else 0.0
    spent.write_text(f"{before + usage.ru_utime + usage.ru_stime:.1f}\n")
    if status:
        raise SystemExit(f"{words[1]} of {place} failed; see {log}")


def cpu_minutes(place: Path) -> float:
    """Total time of the commands for `place`, including interrupted ones."""
    return float(place.with_name(f"{place.name}.cpu").read_text()) / 60
