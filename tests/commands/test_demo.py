from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tutelage.commands.demo import run_demo
from tutelage.core.errors import ConfigError, RunError


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """A demo of two draws: its folder, what it measured, and what it said."""
    text, out = io.StringIO(), tmp_path_factory.mktemp("runs") / "demo"
    measured = run_demo(seeds=2, steps=6, out=out, overwrite=False, console=Console(file=text, width=100))
    return out, measured, text.getvalue()


def test_the_demo_trains_all_methods_on_the_same_labels_and_tells_the_paired_gains(
    done: tuple[Path, dict[str, Any], str],
) -> None:
    out, measured, said = done
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
        assert f"Paired gain of {method}: {measured['gains'][method].mean:+.1f} points" in said
    for seed in range(2):
        splits = [(out / f"{m}-{seed}" / "split.json").read_text() for m in measured["accuracy"]]
        assert splits[0] == splits[1]


def test_the_demo_keeps_nothing_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    run_demo(seeds=1, steps=2, out=None, overwrite=False, console=Console(file=io.StringIO()))
    assert list(tmp_path.iterdir()) == []


def test_the_demo_refuses_wrong_numbers_and_runs_in_the_way(done: tuple[Path, dict[str, Any], str]) -> None:
    console = Console(file=io.StringIO())
    with pytest.raises(ConfigError, match="--seeds"):
        run_demo(seeds=0, steps=None, out=None, overwrite=False, console=console)
    with pytest.raises(RunError, match="holds a run already"):
        run_demo(seeds=1, steps=1, out=done[0], overwrite=False, console=console)
