from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tutelage.commands.demo import run_demo
from tutelage.core.errors import ConfigError, RunError


def test_the_demo_trains_all_methods_on_the_same_labels_and_tells_the_paired_gains(tmp_path: Path) -> None:
    text = io.StringIO()
    measured = run_demo(seeds=2, steps=6, out=tmp_path / "demo", overwrite=False, console=Console(file=text, width=100))
    assert {method: len(values) for method, values in measured["accuracy"].items()} == {
        "supervised": 2,
        "mean-teacher": 2,
        "fixmatch": 2,
    }
    for method in ("mean-teacher", "fixmatch"):
        gains = [
            100 * (b - a) for a, b in zip(measured["accuracy"]["supervised"], measured["accuracy"][method], strict=True)
        ]
        assert measured["gains"][method].mean == pytest.approx(sum(gains) / 2)
        assert f"Paired gain of {method}: {measured['gains'][method].mean:+.1f} points" in text.getvalue()
    for seed in range(2):
        splits = [(tmp_path / "demo" / f"{m}-{seed}" / "split.json").read_text() for m in measured["accuracy"]]
        assert splits[0] == splits[1]


def test_the_demo_keeps_nothing_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    run_demo(seeds=1, steps=2, out=None, overwrite=False, console=Console(file=io.StringIO()))
    assert list(tmp_path.iterdir()) == []


def test_the_demo_refuses_wrong_numbers_and_runs_in_the_way(tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    with pytest.raises(ConfigError, match="--seeds"):
        run_demo(seeds=0, steps=None, out=None, overwrite=False, console=console)
    run_demo(seeds=1, steps=1, out=tmp_path / "demo", overwrite=False, console=console)
    with pytest.raises(RunError, match="holds a run already"):
        run_demo(seeds=1, steps=1, out=tmp_path / "demo", overwrite=False, console=console)
