"""Running the trainings of a comparison, each in its own process, so that a crash of one does not end the others."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout
from rich.console import Console

from tutelage.core.errors import Interrupted
from tutelage.core.files import make_folder
from tutelage.core.names import shown
from tutelage.results.compare.launch import AnyLauncher, Process
from tutelage.results.compare.launchers import LOCAL, LauncherConfig
from tutelage.results.compare.plan import NO_REPORT, Combination, Plan
from tutelage.run.progress import clock
from tutelage.run.run_record import RunRecord
from tutelage.training.signals import StopFlag

LOGS = "logs"
FAULT = "this is a bug in tutelage"  # printed by the command line below an unexpected error
_PAUSE = 0.1  # seconds between two looks at the runs
_MOST_LOST = 3  # workers of one run


@dataclass
class _Running:
    one: Combination
    process: Process
    log: IO[bytes]
    begun: float


def next_command(plan: Plan, one: Combination, out: Path) -> list[str]:
    """The arguments of `tutelage` that start a run, or resume one that was started."""
    if (out / one.name / "config.json").exists():
        return ["train", "--resume", str(out / one.name), NO_REPORT]
    return plan.command(one, out)


def run_all(
    plan: Plan, out: Path, *, jobs: int | None, where: LauncherConfig, console: Console
) -> dict[Combination, str]:
    """Train the unfinished runs, `jobs` at a time, and return why each failed run failed.

    Waits for runs that another process is training. SIGINT and SIGTERM are passed on to the runs, which save and stop.
    A run whose worker is lost is started again, up to three times.

    Args:
        jobs: None is one on this machine, and all on a scheduler.
        where: what starts the runs.

    Raises:
        Interrupted: a signal came.
    """
    make_folder(out / LOGS)
    waiting = [one for one in plan.combinations if not RunRecord(out / one.name).finished]
    total = len(plan.combinations)
    if len(waiting) < total:
        console.print(f"{total - len(waiting)} of {total} runs are finished already")
    running: list[_Running] = []
    failed: dict[Combination, str] = {}
    lost: Counter[Combination] = Counter()
    jobs = jobs or (1 if where.name == LOCAL else len(waiting))
    with StopFlag() as stop, where.launcher(_environment(jobs), out / LOGS, runs=len(waiting)) as launcher:
        while waiting or running:
            for job in [job for job in running if job.process.poll() is not None]:
                running.remove(job)
                job.log.close()
                done = total - len(waiting) - len(running)
                if getattr(job.process, "lost", False) and not RunRecord(out / job.one.name).finished:
                    lost[job.one] += 1
                    if lost[job.one] <= _MOST_LOST:
                        console.print(f"the worker of {job.one.name} was lost: it is started again")
                        waiting.append(job.one)
                        continue
                if not _close(job, out, failed, console, done=f"{done} of {total}"):
                    waiting.append(job.one)
            for one in list(waiting):
                if len(running) == jobs or stop.number or not launcher.ready():
                    break
                if not _is_in_use(out / one.name):
                    waiting.remove(one)
                    if not RunRecord(out / one.name).finished:  # another process may have finished it meanwhile
                        running.append(_start(launcher, plan, one, out))
            if stop.number:
                _stop(running, stop.number)
                finished = sum(RunRecord(out / one.name).finished for one in plan.combinations)
                raise Interrupted(
                    f"stopped; {finished} of {total} runs are finished; rerun the command to resume", stop.number
                )
            time.sleep(_PAUSE)
    return failed


def _start(launcher: AnyLauncher, plan: Plan, one: Combination, out: Path) -> _Running:
    log = (out / LOGS / f"{one.name}.log").open("ab")
    process = launcher.start(next_command(plan, one, out), log)
    return _Running(one, process, log, time.monotonic())


def _close(job: _Running, out: Path, failed: dict[Combination, str], console: Console, *, done: str) -> bool:
    """Print how a run ended; False if it has to be tried again because another process holds it."""
    run, took = out / job.one.name, clock(time.monotonic() - job.begun)
    if RunRecord(run).finished:
        console.print(f"{done}: {job.one.name} ({took})")
        return True
    if _is_in_use(run):
        return False
    path = out / LOGS / f"{job.one.name}.log"
    failed[job.one] = _last_words(path) or f"exit code {job.process.returncode}"
    console.print(f"{done}: {job.one.name} failed ({took}): {failed[job.one]}")
    return True


def _stop(running: list[_Running], number: int) -> None:
    for job in running:
        if job.process.poll() is None:
            job.process.send_signal(number)
    for job in running:
        job.process.wait()
        job.log.close()


def _is_in_use(run: Path) -> bool:
    if not (run / ".lock").exists():
        return False
    lock = FileLock(run / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # gone again: the run was removed
        return False
    lock.release()
    return False


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line.removeprefix("tutelage: ") for line in lines if line.strip()]
    if said and said[-1].startswith(FAULT):
        said.pop()  # the error itself is on the line above
    return shown(said[-1]) if said else ""


def _environment(jobs: int) -> dict[str, str]:
    """Of each run: the threads are shared out."""
    shared = {"OMP_NUM_THREADS": str(max(1, _threads() // jobs))} if jobs > 1 else {}
    return {**os.environ, **shared}


def _threads() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else _cores()


def _cores() -> int:
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
