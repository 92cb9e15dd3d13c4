"""Runs that are forks of one process, and what comes where that is not possible or the process is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tutelage.core.version import __version__
from tutelage.results.compare import launch
from tutelage.results.compare.fork_server import POSSIBLE, ForkedRun
from tutelage.results.compare.launch import Launcher, Process

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="runs are forks on Linux alone")
ENDLESS = ["train", "digits", "--label-count", "600", "--batch-size", "4", "--network", "wrn-10-1", "--workers", "1"]
ENDLESS += ["--steps", "100000", "--log-every", "1", "--method", "supervised", "--no-report", "--device", "cpu"]


def ready(launcher: Launcher) -> Launcher:
    late = time.monotonic() + 120
    while not launcher.ready():
        assert time.monotonic() < late
        time.sleep(0.02)
    return launcher


@pytest.fixture(scope="module")
def forking() -> Iterator[Launcher]:
    with Launcher({**os.environ, "TUTELAGE_TEST": "of the runs"}, runs=2) as launcher:
        assert not launcher.ready(), "it imports torch first, and nothing waits for it"
        yield ready(launcher)


def start(launcher: Launcher, log: Path, *words: str) -> Process:
    with log.open("ab") as stream:
        return launcher.start(list(words), stream)


def begun(launcher: Launcher, folder: Path) -> Process:
    """A run that has trained a step."""
    process = start(launcher, folder / "log", *ENDLESS, "--out", str(folder / "run"))
    while not (folder / "run" / "metrics.jsonl").exists():
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.02)
    return process


def test_a_fork_writes_its_log_and_ends_with_the_code_of_its_command(forking: Launcher, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    first, second = start(forking, log, "--version"), start(forking, tmp_path / "other", "train", "--stpes", "5")
    assert isinstance(first, ForkedRun)
    assert (first.wait(), second.wait()) == (0, 2)
    assert (first.returncode, second.returncode) == (0, 2)
    assert log.read_text() == f"before\ntutelage {__version__}\n"
    assert (tmp_path / "other").read_text().startswith("tutelage: unknown option --stpes; did you mean '--steps'?")


def test_a_fork_has_a_session_and_the_environment_of_its_own(forking: Launcher, tmp_path: Path) -> None:
    process = begun(forking, tmp_path)
    assert isinstance(process, ForkedRun)
    assert os.getsid(process.pid) == process.pid
    assert b"\0TUTELAGE_TEST=of the runs\0" in Path(f"/proc/{process.pid}/environ").read_bytes()
    assert Path(f"/proc/{process.pid}/fd/0").readlink() == Path("/dev/null")
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143
    assert "which is saved; continue with --resume" in (tmp_path / "log").read_text()
    process.send_signal(signal.SIGTERM)  # its number may be that of another process now


@pytest.mark.long
def test_a_run_outlives_the_process_that_forked_it_and_the_next_one_starts_without(tmp_path: Path) -> None:
    with Launcher(os.environ, runs=2) as launcher:
        process = begun(ready(launcher), tmp_path)
        assert isinstance(process, ForkedRun)
        process.server.process.kill()
        process.server.process.wait()
        assert process.poll() is None
        following = start(launcher, tmp_path / "next", "--version")
        assert isinstance(following, subprocess.Popen)
        assert launcher.ready()
        assert following.wait() == 0
        assert (tmp_path / "next").read_text() == f"tutelage {__version__}\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == 1  # the system, to which the run belongs now, tells no exit code


@pytest.mark.parametrize(
    "torch", ["raise OSError('a library is missing')", "class cuda:\n    is_initialized = lambda: True"]
)
def test_a_process_that_cannot_import_or_has_a_gpu_in_use_is_given_up(torch: str, tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(torch)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    with Launcher(environment, runs=2) as launcher:
        process = start(ready(launcher), tmp_path / "log", "--version")
        assert isinstance(process, subprocess.Popen)
        assert process.wait() == 0


def test_one_run_alone_or_where_forks_are_not_possible_is_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Launcher(os.environ, runs=1) as launcher:
        assert launcher.ready()
        process = start(launcher, tmp_path / "log", "train", "--stpes", "5")
        assert isinstance(process, subprocess.Popen)
        assert os.getsid(process.pid) == process.pid
        assert process.wait() == 2
    monkeypatch.setattr(launch, "POSSIBLE", False)
    with Launcher(os.environ, runs=2) as launcher:
        process = start(launcher, tmp_path / "log", "--version")
        assert isinstance(process, subprocess.Popen)
        assert process.wait() == 0


def test_closing_ends_the_process_that_forks_also_while_it_imports() -> None:
    with Launcher(os.environ, runs=2) as launcher:
        server = launcher._server
        assert server is not None and server.process.poll() is None
    assert server.process.returncode == -signal.SIGKILL
