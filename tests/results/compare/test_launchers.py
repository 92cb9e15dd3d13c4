"""Runs of a comparison that schedulers start: options, the command of a worker, and a worker that is lost."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.runs import digests
from support.starter import Starter
from tutelage import cli
from tutelage.core.errors import ConfigError, MissingExtra
from tutelage.results.compare.launchers import LauncherConfig
from tutelage.results.compare.worker import run_command

needs_submitit = pytest.mark.skipif(not importlib.util.find_spec("submitit"), reason="submitit is not installed")
needs_ray = pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="ray is not installed")

RUN = ["--network", "wrn-10-1", "--batch-size", "4", "--device", "cpu", "--workers", "1", "--checkpoint-every", "2"]
COMPARE = ["--methods", "supervised", "--label-counts", "20", "--seeds", "1", "--no-report", *RUN]


# ---- options


def test_options_are_numbers_where_they_can_be() -> None:
    given = LauncherConfig.of("submitit", "partition=gpu, timeout_min=90,memory=0.5")
    assert given.options == {"partition": "gpu", "timeout_min": 90, "memory": 0.5}


@pytest.mark.parametrize("options", ["partition", "=gpu", "partition=", "a=1,,b"])
def test_options_that_are_no_pairs_are_refused(options: str) -> None:
    with pytest.raises(ConfigError, match="must be name=value, separated by commas"):
        LauncherConfig.of("submitit", options)


def test_a_wrong_launcher_names_those_there_are(capfd: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "digits", "--methods", "supervised", "--out", "cmp"]
    assert cli.run([*words, "--launcher", "slurm"]) == 2
    assert "--launcher must be one of local, submitit, ray, got 'slurm'" in capfd.readouterr().err
    assert cli.run([*words, "--launcher-options", "partition=gpu"]) == 2
    assert "--launcher-options is for submitit and ray" in capfd.readouterr().err
    assert not Path("cmp").exists()


@pytest.mark.parametrize("name", ["submitit", "ray"])
def test_a_launcher_that_is_not_installed_says_how_to_get_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'tutelage\[{name}\]'"):
        LauncherConfig(name).launcher({}, tmp_path, runs=2)


@needs_submitit
def test_an_option_that_submitit_does_not_know_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"launcher_options of submitit: .*patition"):
        LauncherConfig("submitit", {"cluster": "local", "patition": "gpu"}).launcher({}, tmp_path, runs=2)


# ---- the command of a worker


def test_a_worker_writes_its_log_and_ends_with_the_code_of_the_command(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run_command(["--version"], str(log)) == 0
    assert run_command(["train", "--stpes", "5"], str(log)) == 2
    first, *_, last = log.read_text().splitlines()
    assert first.startswith("tutelage ") and "--stpes" in last


def test_a_worker_goes_on_with_a_run_that_was_begun(tmp_path: Path) -> None:
    out, log = tmp_path / "run", tmp_path / "log"
    out.mkdir()
    (out / "config.json").write_text("{}")
    assert run_command(["train", "digits", "--out", str(out), *RUN, "--steps", "2"], str(log)) == 2
    assert "config.json" in log.read_text()  # which it tried to resume


@pytest.mark.long
def test_a_run_ends_with_its_worker(starter: Starter, tmp_path: Path) -> None:
    out, log = tmp_path / "run", tmp_path / "log"
    words = ["train", "digits", "--label-count", "20", "--steps", "100000", "--no-report", "--out", str(out), *RUN]
    code = f"from tutelage.results.compare.worker import run_command; run_command({words!r}, {str(log)!r})"
    worker = subprocess.Popen([sys.executable, "-c", code])
    try:
        wait_for(out / "config.json")
        (child,) = children(worker.pid)
    finally:
        worker.kill()
        worker.wait()
    for _ in range(1200):
        if not Path(f"/proc/{child}").exists():
            break
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()
    assert "continue with" in log.read_text()


# ---- whole comparisons


def wait_for(path: Path, *, seconds: float = 120.0) -> None:
    late = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < late, f"{path} did not appear"
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


@needs_submitit
@pytest.mark.slow
def test_a_comparison_by_submitit_is_that_of_this_machine(tmp_path: Path) -> None:
    words = ["compare", "digits", *COMPARE, "--steps", "4"]
    assert cli.run([*words, "--out", str(tmp_path / "here")]) == 0
    by = ["--launcher", "submitit", "--launcher-options", "cluster=local"]
    assert cli.run([*words, "--out", str(tmp_path / "there"), *by]) == 0
    assert digests(tmp_path / "here" / "supervised-20-0") == digests(tmp_path / "there" / "supervised-20-0")
    assert (tmp_path / "here" / "results.csv").read_text() == (tmp_path / "there" / "results.csv").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["submitit", "--launcher-options", "cluster=local"], marks=needs_submitit),
        pytest.param(["ray", "--launcher-options", "num_cpus=1"], marks=needs_ray),
    ],
    ids=["submitit", "ray"],
)
def test_a_run_whose_worker_is_lost_is_started_again(options: list[str], tmp_path: Path) -> None:
    words = ["compare", "digits", *COMPARE, "--steps", "200"]
    assert cli.run([*words, "--out", str(tmp_path / "here")]) == 0
    out = tmp_path / "there"
    command = [sys.executable, "-m", "tutelage", *words, "--out", str(out), "--launcher", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(out / "supervised-20-0" / "checkpoints" / "step-00000004.safetensors")
    for pid in worker_of(out / "supervised-20-0"):
        os.kill(pid, signal.SIGKILL)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "the worker of supervised-20-0 was lost: it is started again" in said
    assert digests(tmp_path / "here" / "supervised-20-0") == digests(out / "supervised-20-0")


def worker_of(run: Path) -> list[int]:
    """The process that trains a run, and the one that started it."""
    found = subprocess.check_output(["pgrep", "-f", f"tutelage train .*--out {run}"], text=True)
    trains = int(found.split()[0])
    status = Path(f"/proc/{trains}/status").read_text()
    parent = next(line for line in status.splitlines() if line.startswith("PPid:"))
    return [int(parent.split()[1]), trains]
