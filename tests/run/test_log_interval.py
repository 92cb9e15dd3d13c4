"""How often a run writes a log line, from its number of steps."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from tutelage import cli
from tutelage.config.settings import TrainConfig
from tutelage.run.build import log_interval


@pytest.mark.parametrize(("steps", "every"), [(5, 1), (60, 3), (500, 25), (1000, 50), (100_000, 50)])
def test_a_learning_curve_has_at_least_20_points(steps: int, every: int) -> None:
    assert log_interval(TrainConfig(), steps) == every
    assert steps // every >= min(steps, 20)
    assert log_interval(dataclasses.replace(TrainConfig(), log_every=7), steps) == 7


def test_a_short_run_writes_20_log_lines(tmp_path: Path) -> None:
    words = ["--label-count", "20", "--steps", "60", "--batch-size", "4", "--workers", "0", "--device", "cpu"]
    out = tmp_path / "run"
    words += ["--method", "supervised", "--network", "wrn-10-1", "--no-report"]
    assert cli.run(["train", "digits", "--out", str(out), *words]) == 0
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "training"] == list(range(3, 61, 3))
