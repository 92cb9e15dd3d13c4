"""A training goes on when what it says can no longer be written."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tutelage
from tutelage.core.console import LastingStream, screen

BRIEF = ("train.steps", "2"), ("train.batch_size", "2"), ("data.label_count", "40"), ("method.name", "supervised")


def test_a_reader_that_goes_away_does_not_end_a_training_from_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", closefd=False) as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        run = tutelage.train(
            "digits", out=tmp_path / "run", settings=dict(BRIEF) | {"network.name": "wrn-10-1"}, quiet=False
        )
        monkeypatch.undo()
    os.close(writing)
    assert run.metrics["step"] == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_remembered_and_the_rest_is_silent() -> None:
    stream = LastingStream(open("/dev/full", "w"))  # noqa: SIM115, PTH123 - closed below
    for _ in range(3):
        stream.write("x" * 100_000)
        stream.flush()
    assert isinstance(stream.fault, OSError) and stream.fault.strerror == "No space left on device"
    stream.close()


def test_a_stream_that_was_closed_before_the_start_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", LastingStream(None))
    screen().print("nobody hears this")


def test_what_can_be_written_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = io.StringIO()
    monkeypatch.setattr(sys, "stdout", heard)
    screen().print("hello")
    assert heard.getvalue() == "hello\n"


@pytest.mark.long
@pytest.mark.parametrize(("out", "code"), [("2>&1 | head -n 1", 141), ("> /dev/full", 2)])
def test_a_command_whose_output_goes_nowhere_trains_to_its_end(out: str, code: int, tmp_path: Path) -> None:
    command = f"{sys.executable} -m tutelage train digits --out run --no-report --network wrn-10-1"
    words = " ".join(f"--{name}={value}" for name, value in BRIEF)
    script = f"{command} {words} {out}; echo ${{PIPESTATUS[0]}} > code"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert (tmp_path / "code").read_text() == f"{code}\n", done.stderr
    assert (tmp_path / "run" / "result.json").exists()
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
