"""Environment variables that cannot be used are named before any work, whoever would meet them later."""

from __future__ import annotations

from pathlib import Path

import pytest

import tutelage
from tutelage.cli import entry

WRONG = {
    "no size": ("TUTELAGE_MEMORY_LIMIT", "viel", "must be a size such as 8GB or 500MB, at least 1MB, got 'viel'"),
    "too small": ("TUTELAGE_MEMORY_LIMIT", "10", "must be a size such as 8GB or 500MB, at least 1MB, got '10'"),
    "a file": ("TUTELAGE_CACHE", "file", "must be a folder, file is a file"),
    "a loop": ("TUTELAGE_CACHE", "loop", "must be a folder, loop is a link that leads to itself"),
    "no user": (
        "TUTELAGE_CACHE",
        "~nobody99/a",
        ": ~nobody99/a: the home folder of this user is not known; write the path out",
    ),
}


@pytest.fixture(params=WRONG)
def message(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of the variable that is set."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("kept")
    Path("loop").symlink_to("loop")
    name, value, said = WRONG[request.param]
    monkeypatch.setenv(name, value)
    return f"the environment variable {name}{'' if said.startswith(':') else ' '}{said}"


@pytest.mark.parametrize("command", ["check digits", "train digits --out r --steps 1", "methods", "report r"])
def test_a_command_names_the_variable(command: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(command.split()) == 2
    assert capsys.readouterr().err == f"tutelage: {message}\n"
    assert sorted(path.name for path in Path().iterdir()) == ["file", "loop"]


def test_the_python_api_names_the_variable(message: str) -> None:
    calls = (
        lambda: tutelage.check("digits"),
        lambda: tutelage.load("r"),
        lambda: tutelage.train("digits", out="r"),
        lambda: tutelage.score("a", "b"),
    )
    for call in calls:
        with pytest.raises(tutelage.ConfigError) as raised:
            call()
        assert str(raised.value) == message


def test_a_flag_takes_the_place_of_a_wrong_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUTELAGE_MEMORY_LIMIT", "viel")
    monkeypatch.setenv("TUTELAGE_CACHE", __file__)
    assert entry.run(["methods", "--memory-limit", "8GB", "--cache", str(tmp_path)]) == 0
