"""The examples run, as scripts and from the command line."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from support.runs import unsealed
from support.starter import Starter

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_runs_as_a_script_and_its_model_predicts_elsewhere(
    script: Path, starter: Starter, tmp_path: Path
) -> None:
    short = re.sub(r"steps=\d+", "steps=2", script.read_text())
    assert short != script.read_text()
    (tmp_path / script.name).write_text(short)

    def python(*words: object) -> str:
        process = starter.start(*words, cwd=tmp_path)
        said, error = process.communicate(timeout=200)
        assert process.returncode == 0, error
        return said

    accuracy = float(python(script.name).splitlines()[-1])
    assert 0.0 <= accuracy <= 1.0
    (run,) = (tmp_path / "runs").iterdir()
    settings = unsealed(run / "config.json")["settings"]
    assert f"{script.stem}:" in settings["method"]["name"] + settings["network"]["name"]
    assert "accuracy" in python("-m", "tutelage", "evaluate", run, "digits")


def test_the_method_of_the_example_is_short_and_has_flags(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tutelage import cli

    assert len((EXAMPLES / "own_method.py").read_text().splitlines()) < 60
    monkeypatch.chdir(EXAMPLES)
    assert str(EXAMPLES) not in sys.path
    assert cli.run(["methods", "own_method:SoftThreshold"]) == 0
    assert "--method.sharpness" in capsys.readouterr().out
    assert cli.run(["methods", "own_network:PlainNet"]) == 0
    assert "--network.width" in capsys.readouterr().out
