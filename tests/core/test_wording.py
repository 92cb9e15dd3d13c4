"""How messages name settings and commands on the command line and in Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from tutelage.cli import entry
from tutelage.core.errors import DataError, MissingExtra
from tutelage.core.wording import as_flags, command, named, option


@pytest.mark.parametrize(
    ("name", "value", "flag", "keyword"),
    [
        ("labels", None, "--labels", "labels=..."),
        ("overwrite", True, "--overwrite", "overwrite=True"),
        ("label_counts", (40, 250), "--label-counts 40,250", "label_counts=(40, 250)"),
        ("resume", Path("runs/a"), "--resume runs/a", "resume='runs/a'"),
        ("steps", 300, "--steps 300", "steps=300"),
        ("method.ema_decay", 0.5, "--method.ema-decay 0.5", "settings={'method.ema_decay': 0.5}"),
    ],
)
def test_a_setting_is_worded_as_it_is_given(name: str, value: object, flag: str, keyword: str) -> None:
    assert option(name, value) == keyword
    with as_flags():
        assert option(name, value) == flag
    assert option(name, value) == keyword


def test_a_setting_is_named_without_its_value() -> None:
    assert named("label_counts") == "label_counts"
    with as_flags():
        assert named("label_counts") == "--label-counts"


def test_a_command_is_a_function() -> None:
    assert command("probe") == "tutelage.probe"
    assert command("pretrain", "DATA", out="RUN") == "tutelage.pretrain(data, out='RUN')"
    assert command("report", Path("runs/a")) == "tutelage.report('runs/a')"
    with as_flags():
        assert command("pretrain", "DATA", out="RUN") == "tutelage pretrain DATA --out RUN"


def test_python_is_spoken_again_after_an_error() -> None:
    with pytest.raises(KeyError), as_flags():
        raise KeyError
    assert named("out") == "out"


def test_errors_of_a_library_speak_python_and_those_of_a_command_flags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [f"fault {number}" for number in range(30)]
    assert "all with: tutelage.check(data, out='report.json')" in str(DataError(many))
    assert str(MissingExtra(option("out", "a.parquet"), "pyarrow", "embed")).startswith("out='a.parquet' needs")
    (tmp_path / "run").mkdir()
    assert entry.run(["train", "digits", "--steps", "2", "--method", "moco-v2", "--out", str(tmp_path / "run")]) == 2
    assert "use tutelage pretrain DATA --out RUN --method moco-v2" in capsys.readouterr().err
