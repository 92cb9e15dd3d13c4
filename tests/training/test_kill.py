"""`kill -9` aimed at saves: nothing is ever lost but the step that was under way."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.starter import Starter
from tutelage.data.scans.phantoms import write_phantoms

HARNESS = Path(__file__).parent / "kill_at_saves.py"


def harness(starter: Starter, run: Path, kind: str, *, kills: int, steps: int) -> dict[str, Any]:
    process = starter.start(HARNESS, run, kind, kills, steps, env={**os.environ, "OMP_NUM_THREADS": "1"})
    said, error = process.communicate(timeout=900)
    assert process.returncode == 0, error
    return json.loads(said)


@pytest.mark.long
@pytest.mark.parametrize(
    ("kills", "steps"), [(5, 14), pytest.param(50, 110, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_kills_at_saves_leave_every_checkpoint_readable_and_the_result_identical(
    kills: int, steps: int, starter: Starter, tmp_path: Path
) -> None:
    assert_nothing_is_lost(starter, tmp_path, "mean-teacher", kills=kills, steps=steps)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kind", "steps"), [("moco", 1500), ("ua-mt", 150)])
def test_neither_do_25_kills_at_saves_and_at_any_moment(
    kind: str, steps: int, starter: Starter, tmp_path: Path
) -> None:
    if kind == "ua-mt":
        pytest.importorskip("nibabel")
        write_phantoms(tmp_path / "scans", range(6))
    assert_nothing_is_lost(starter, tmp_path, kind, kills=25, steps=steps)


def assert_nothing_is_lost(starter: Starter, folder: Path, kind: str, *, kills: int, steps: int) -> None:
    whole = harness(starter, folder / "whole", kind, kills=0, steps=steps)
    killed = harness(starter, folder / "killed", kind, kills=kills, steps=steps)
    assert (whole["starts"], killed["kills"], killed["code"]) == (1, kills, 0)
    assert killed["unreadable"] == 0
    assert killed["step"] == steps
    for what in ("weights", "metrics", "result"):
        assert killed[what] == whole[what], what
    assert killed["left"] == []


@pytest.mark.long
@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_the_same_kills_break_a_direct_save_so_the_test_above_can_fail(
    kills: int, starter: Starter, tmp_path: Path
) -> None:
    found = harness(starter, tmp_path / "direct", "direct", kills=kills, steps=1000)
    assert found["kills"] == kills
    assert found["unreadable"] > 0
