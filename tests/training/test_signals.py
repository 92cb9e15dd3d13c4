"""SIGTERM and SIGINT at any moment, sent to the real command."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from support.runs import checkpoints, digests
from support.starter import Started, Starter
from tutelage import cli
from tutelage.core.errors import Interrupted
from tutelage.training.signals import StopFlag

STEPS = 24
SETTINGS = {
    "label-count": 600,
    "batch-size": 4,
    "steps": STEPS,
    "log-every": 4,
    "eval-every": 6,
    "checkpoint-every": 8,
    "workers": 1,
    "network": "wrn-10-1",
}
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}


def start(*tokens: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tutelage", "train", *tokens],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def words(run: Path, **more: int) -> list[str]:
    given = SETTINGS | {name.replace("_", "-"): value for name, value in more.items()}
    return ["digits", *(f"--{name}={value}" for name, value in given.items()), "--out", str(run)]


def begin(run: Path, **more: int) -> subprocess.Popen[str]:
    return start(*words(run, **more))


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads()), "PYTHONFAULTHANDLER": "1"}


def begin_at_once(starter: Starter, run: Path, **more: int) -> Started:
    """As `begin`, without the seconds of importing."""
    return starter.start("-m", "tutelage", "train", *words(run, **more), env=environment())


def wait_for(process: subprocess.Popen[str] | Started, holds: Callable[[], bool]) -> bool:
    """Whether `holds` came true while the process ran."""
    while process.poll() is None:
        if holds():
            return True
        time.sleep(0.002)
    return False


def finish(process: subprocess.Popen[str] | Started) -> tuple[int, str]:
    _, error = process.communicate(timeout=60)
    return process.returncode, error


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupts, in this process."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = cli.run(["train", *words(run)])
    assert (code, said.getvalue()) == (0, "")
    return run


def interrupt_and_resume(starter: Starter, run: Path, number: signal.Signals, wait: float) -> int:
    """Signal a run some time after its folder appears, resume until it ends; returns how often it was interrupted."""
    times = 0
    process: subprocess.Popen[str] | Started = begin(run)
    if wait_for(process, lambda: (run / ".lock").exists()):
        time.sleep(wait)
        process.send_signal(number)
    while True:
        code, error = finish(process)
        assert "Traceback" not in error, error
        if code == 0:
            return times
        times += 1
        assert code == CODES[number], error
        assert error.count("\n") == 1, error
        assert error.startswith(f"tutelage: stopped {'after step' if 'after' in error else 'by'} "), error
        if not (run / "config.json").exists():
            assert not run.exists(), "a run that never began leaves nothing"
            process = begin_at_once(starter, run)
            continue
        assert f"--resume {run}" in error
        if "after step" in error:
            assert checkpoints(run)[-1]["step"] == int(error.split("after step ")[1].split()[0])
        process = starter.start("-m", "tutelage", "train", "--resume", run, env=environment())


def moments(count: int) -> list[pytest.param]:  # type: ignore[valid-type]
    draw = random.Random(0)
    return [
        pytest.param(
            number,
            draw.uniform(0, 2.5),
            id=f"{number.name}-{i}",
            marks=[pytest.mark.slow] if i >= count or number != signal.SIGTERM else [],
        )
        for number in CODES
        for i in range(20)
    ]


@pytest.mark.long
@pytest.mark.parametrize(("number", "wait"), moments(1))
def test_a_signal_at_any_moment_saves_the_last_step_and_the_resumed_run_is_the_uninterrupted_one(
    number: signal.Signals, wait: float, whole: Path, starter: Starter, tmp_path: Path
) -> None:
    interrupt_and_resume(starter, tmp_path / "run", number, wait)
    assert digests(tmp_path / "run") == digests(whole)


@pytest.mark.parametrize("number", CODES)
def test_a_signal_between_two_checkpoints_is_obeyed_within_a_step_and_leaves_a_checkpoint_there(
    number: signal.Signals, starter: Starter, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = begin_at_once(starter, run, steps=100_000, eval_every=100_000, checkpoint_every=100_000)
    assert wait_for(process, lambda: (run / "metrics.jsonl").exists())
    asked = time.monotonic()
    process.send_signal(number)
    code, error = finish(process)
    assert code == CODES[number]
    assert "Traceback" not in error
    assert time.monotonic() - asked < 5
    assert checkpoints(run)[-1]["step"] >= 4
    assert (
        f"stopped after step {checkpoints(run)[-1]['step']} of 100000, which is saved; continue with --resume {run}"
        in error
    )


@pytest.mark.long
@pytest.mark.parametrize("number", CODES)
def test_a_signal_before_the_report_is_written_says_so_and_the_resumed_run_writes_it(
    number: signal.Signals, starter: Starter, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = begin_at_once(starter, run)
    assert wait_for(process, lambda: (run / "result.json").exists())
    time.sleep(0.3)  # importing what draws takes longer
    process.send_signal(number)
    code, error = finish(process)
    ended = f"tutelage: stopped by {number.name} before the report was written; the run is complete"
    assert (code, error) == (CODES[number], f"{ended}; continue with --resume {run}\n")
    process = starter.start("-m", "tutelage", "train", "--resume", run, env=environment())
    assert finish(process) == (0, "")
    assert (run / "report.html").exists()


def test_a_second_interrupt_ends_at_once_and_the_old_checkpoint_stays_good(starter: Starter, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = begin_at_once(starter, run, steps=100_000, batch_size=300, checkpoint_every=2)
    assert wait_for(process, lambda: (run / "checkpoints" / "step-00000002.safetensors").exists())
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    code, _ = finish(process)
    assert code in (-signal.SIGINT, 130)  # 130 if the first was obeyed before the second came
    for entry in checkpoints(run):
        content = (run / "checkpoints" / entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]


@pytest.mark.long
def test_a_signal_during_the_data_check_ends_it_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(0)
    for number in range(60):
        folder = tmp_path / "photos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 256, (700, 700, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png", compress_level=0)
    opened = tmp_path / "opened"
    code = (
        "import sys\n"
        f"sys.addaudithook(lambda event, values: event == 'open' and str(values[0]).endswith('b/1.png') "
        f"and open({str(opened)!r}, 'w').close())\n"
        "from tutelage.cli import main\nmain()"
    )
    run = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "train", tmp_path / "photos", "--steps=20", "--out", run],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert wait_for(process, opened.exists)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert finish(process) == (143, "tutelage: stopped by SIGTERM\n")
    assert time.monotonic() - asked < 4
    assert not run.exists()


def test_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in CODES]
    with StopFlag() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked() == signal.SIGTERM
    assert [signal.getsignal(number) for number in CODES] == before


def test_where_nothing_is_to_be_saved_a_signal_strikes_at_once() -> None:
    with StopFlag() as stop:
        with pytest.raises(Interrupted, match="stopped by SIGINT"), stop.at_once():
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the signal was not obeyed")
        with pytest.raises(Interrupted), stop.at_once():
            pytest.fail("a signal from before was forgotten")
