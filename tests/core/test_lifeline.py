"""What a process started ends with it, even if it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tutelage.core.lifeline import end_with_parent

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs descriptors that are passed on")
CHILD = """
import signal, sys, time
from tutelage.core.lifeline import end_with_parent
signal.signal(signal.SIGTERM, lambda *_: (open("ended", "w").close(), sys.exit(0)))
end_with_parent()
open("begun", "w").close()
time.sleep(60)
"""
PARENT = """
import os, subprocess, sys, time
from tutelage.core.lifeline import tied
subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True, **tied(os.environ))
time.sleep(60)
"""


def appears(file: Path, *, within: float = 30.0) -> bool:
    late = time.monotonic() + within
    while not file.exists() and time.monotonic() < late:
        time.sleep(0.01)
    return file.exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_gets_sigterm_when_its_parent_has_ended(how: int, tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], cwd=tmp_path)
    assert appears(tmp_path / "begun")
    time.sleep(0.05)
    assert not (tmp_path / "ended").exists()
    parent.send_signal(how)
    parent.wait()
    assert appears(tmp_path / "ended")


def test_a_process_that_nobody_started_so_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", "7000", "x"):
        monkeypatch.setenv("TUTELAGE_LIFELINE", value)
        end_with_parent()
        assert "TUTELAGE_LIFELINE" not in os.environ
    time.sleep(0.05)
