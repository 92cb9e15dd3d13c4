"""Settings and places that no one would give by design, and disks that cannot be written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.starter import Starter
from tutelage.cli import entry
from tutelage.core.errors import ConfigError
from tutelage.core.inputs import user_path

BRIEF = ["--method", "supervised", "--steps", "2", "--batch-size", "4", "--network", "wrn-10-1", "--no-report"]
RUN = ["train", "digits", "--out", "runs/a", *BRIEF]
FILES = {
    "arrays nested 5,000 deep": (f"a = {'[' * 5000}{']' * 5000}", "c.toml is not valid TOML: it is nested too deep"),
    "tables nested 5,000 deep": (f"a = {'{b=' * 5000}1{'}' * 5000}", "c.toml is not valid TOML: it is nested too deep"),
    "a number of 5,000 digits": (
        f"train.steps = {'9' * 5000}",
        "it has a number of more than 4,300 digits",
    ),
    **{
        f"a number of 5,000 digits of base {base}": (
            f"[train]\nsteps = {start}{'1' * 20_000}",
            "c.toml is not valid TOML: it has a number of more than 4,300 digits",
        )
        for base, start in ((16, "0x"), (8, "0o"), (2, "0b"))
    },
    "such a number in a list": (f"[scan]\nspacing = [1, 0x{'f' * 5000}]", "it has a number of more than 4,300 digits"),
    "a key of 5,000 parts": (f"{'.'.join(['a'] * 5000)} = 1", "c.toml: unknown section a"),
    "an infinite rate": ("optimizer.lr = 1e400", "c.toml: --optimizer.lr must be a number, got inf"),
    "bytes that are no text": (b"\xff\xfe\x00", "c.toml is not valid TOML"),
}
FLAGS = {
    "steps of 20 digits": (["--steps", "9" * 20], r"--steps must be at most 10\^12, got 9{20}$"),
    "steps of 5,000 digits": (["--steps", "9" * 5000], r"--steps must be an integer, got '9+"),
    "a log every 20 digits": ([*BRIEF, "--train.log_every", "9" * 20], r"--log-every must be at most 10\^12"),
    "a batch of 20 digits": ([*BRIEF[:4], "--batch-size", "9" * 20], "--batch-size must be at most 1048576"),
    "a seed of 20 digits": ([*BRIEF, "--seed", "9" * 20], "--seed must be in "),
    "a size of 20 digits": ([*BRIEF, "--image-size", "9" * 20], "--image-size must be in "),
    "labels of a user that is not there": ([*BRIEF, "--labels", "~nobody99/l.csv"], "the home folder of this user"),
    "settings of a user that is not there": ([*BRIEF, "--config=~nobody99/c.toml"], "the home folder of this user"),
    "a cache of a user that is not there": ([*BRIEF, "--cache", "~nobody99/c"], "the home folder of this user"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_settings_file_that_no_reader_expects_is_one_line(name: str, world: Any, refused: Any) -> None:
    content, message = FILES[name]
    refused([*RUN, "--config", world.write("c.toml", content)], message)


def test_a_settings_file_may_begin_with_a_byte_order_mark(world: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings = "\ufeff[train]\nsteps = 7\nepochs = 3\n"
    assert entry.run([*RUN, "--config", world.write("c.toml", settings.encode())]) == 2
    assert "c.toml: unknown" in capsys.readouterr().err, "it is read as far as the setting that does not exist"


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_out_of_all_bounds_is_one_line(name: str, world: Any, refused: Any) -> None:
    flags, message = FLAGS[name]
    refused(["train", "digits", "--out", "runs/a", *flags], message)


@pytest.mark.parametrize("command", [["train", "digits", "--out", "~nobody99/a"], ["check", "~nobody99/photos"]])
def test_an_unknown_user_is_one_line(command: list[str], world: Any, refused: Any) -> None:
    refused(command, "~nobody99/.*: the home folder of this user is not known")


def test_a_path_below_home_is_replaced_wherever_it_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert user_path("~/a") == tmp_path / "a"
    assert entry.take_everywhere(["check", "~/a", "--out=~/b"]) == ["check", f"{tmp_path}/a", f"--out={tmp_path}/b"]
    Path("~$a.csv").touch()
    assert entry.take_everywhere(["check", "~$a.csv", "--", "~/a"])[1] == "~$a.csv"
    with pytest.raises(ConfigError, match="not known"):
        user_path("~nobody99/a")


def test_a_folder_that_is_gone_is_no_place_to_work(starter: Starter, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    before = Path.cwd()
    try:
        os.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        assert entry.run(["methods"]) == 2
    finally:
        os.chdir(before)


def test_a_folder_that_is_deleted_while_a_command_runs_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def goes_on(*_: object, **__: object) -> None:
        (tmp_path / "gone").rmdir()
        Path("out.csv").absolute()

    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    monkeypatch.setattr(entry, "_call", goes_on)
    assert entry.run(["methods"]) == 2
    assert capsys.readouterr().err == (
        "tutelage: the working folder cannot be used any more (No such file or directory): run the command again in "
        "another one\n"
    )


@pytest.fixture
def read_only(tmp_path: Path, finished: Path) -> Iterator[Path]:
    """A disk that cannot be written, with a run."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("a disk can be mounted by root alone")
    try:
        shutil.copytree(finished, disk, dirs_exist_ok=True)
        (disk / "labels.csv").write_text("path,label\n")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


COMMANDS = {
    "train": ["train", "{disk}/data", "--out", "{disk}/new", *BRIEF],
    "train, overwrite": ["train", "{disk}/data", "--out", "{disk}/run", "--overwrite", *BRIEF],
    "predict": ["predict", "{disk}/run", "{disk}/data", "--out", "{disk}/p.csv"],
    "predict, page": ["predict", "{disk}/run", "{disk}/data", "--out", "{here}/p.csv", "--report", "{disk}/p.html"],
    "evaluate": ["evaluate", "{disk}/run", "{disk}/data", "--out", "{disk}/p.json"],
    "check": ["check", "{disk}/data", "--out", "{disk}/p.json"],
    "show": ["show", "{disk}/data", "--out", "{disk}/p.png"],
    "embed": ["embed", "{disk}/run", "{disk}/data", "--out", "{disk}/p.csv"],
    "report": ["report", "{disk}/run", "--out", "{disk}/p.html"],
    "report, Markdown": ["report", "{disk}/run", "--out", "{disk}/p.md"],
    "clean": ["clean", "{disk}/data", "--out", "{disk}/p.csv"],
    "clean, list": ["clean", "{disk}/data", "--cleaned", "{disk}/p.csv"],
    "select": ["select", "{disk}/data/unlabeled", "--count", "1", "--out", "{disk}/p.csv"],
    "probe": ["probe", "{disk}/run", "{disk}/data", "--label-counts", "all", "--out", "{disk}/p.json"],
    "pretrain": ["pretrain", "{disk}/data", "--out", "{disk}/new"],
    "export": ["export", "{disk}/run", "--format", "onnx", "--out", "{disk}/m.onnx"],
    "export, folder": ["export", "{disk}/run", "--format", "hf", "--out", "{disk}/m"],
    "report, plots": ["report", "{disk}/run", "--out", "{here}/r.html", "--plots", "{disk}/plots"],
    "label": ["label", "{disk}/data", "--classes", "cat,dog", "--no-browser", "--labels", "{disk}/l.csv"],
    "demo-3d": ["demo-3d", "--out", "{disk}/demo"],
    "compare": ["compare", "digits", "--methods", "supervised", "--label-counts", "40", "--out", "{disk}/cmp"],
    "demo": ["demo", "--out", "{disk}/demo"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_disk_that_cannot_be_written_is_one_line(
    name: str, read_only: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = [word.format(disk=read_only, here=tmp_path) for word in COMMANDS[name]]
    assert entry.run(command) == 2
    out, said = capfd.readouterr()
    assert len(said.splitlines()) == 1 and "Read-only file system" in said, said
    assert out.replace("- loading PyTorch\n", "") == ""  # nothing was read before


def test_an_error_of_the_disk_that_nobody_foresaw_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error", "/data/x.png")

    monkeypatch.setattr(entry, "_call", fails)
    assert entry.run(["methods"]) == 2
    assert capsys.readouterr().err == "tutelage: /data/x.png: Input/output error\n"
