from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tutelage.commands import demo_scans
from tutelage.commands.demo_scans import run_scan_demo
from tutelage.core.errors import ConfigError, RunError


@pytest.mark.long
def test_the_demo_trains_both_methods_on_the_same_masks_and_draws_what_they_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_scans, "SCANS", 5)
    monkeypatch.setattr(demo_scans, "TEST", 2)
    text, out = io.StringIO(), tmp_path / "demo"
    measured = run_scan_demo(seeds=1, steps=2, out=out, overwrite=False, console=Console(file=text, width=100))
    assert {method: len(scores) for method, scores in measured["scores"].items()} == {
        "supervised": 1,
        "mean-teacher": 1,
    }
    splits = [(out / f"{method}-0" / "split.json").read_text() for method in measured["scores"]]
    assert splits[0] == splits[1]
    said = text.getvalue().replace("\n", "")
    assert "mean-teacher, 3 labels: " in said and "points of Dice" in said
    assert len(measured["pictures"]) == 4
    for path in measured["pictures"]:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.name in said
    with pytest.raises(RunError, match="exists and is not empty"):
        run_scan_demo(seeds=1, steps=2, out=out, overwrite=False, console=Console(file=text))


def test_the_demo_refuses_wrong_numbers_and_what_is_no_folder(tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    with pytest.raises(ConfigError, match="--seeds"):
        run_scan_demo(seeds=0, steps=None, out=None, overwrite=False, console=console)
    with pytest.raises(ConfigError, match="--steps"):
        run_scan_demo(seeds=1, steps=0, out=None, overwrite=False, console=console)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot create the folder"):
        run_scan_demo(seeds=1, steps=1, out=tmp_path / "file", overwrite=False, console=console)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
