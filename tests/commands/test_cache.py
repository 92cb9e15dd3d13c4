"""The command cache, and the flag that names its folder."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from tutelage import commands
from tutelage.cli.entry import run
from tutelage.cli.everywhere import take_everywhere
from tutelage.commands.cache import size_text
from tutelage.core.cache_folder import VARIABLE, cache_folder
from tutelage.core.cache_room import make_room
from tutelage.core.errors import ConfigError
from tutelage.data.images import image_cache

A, B = "a" * 32, "b" * 32


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def said_by(function: object, *given: object) -> str:
    console = Console(file=io.StringIO(), width=120)
    function(*given, console)  # type: ignore[operator]
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def fill(folder: Path) -> None:
    for name, size, age in (
        (f"images/{A}.npy", 3_000_000, 7200),
        ("images/locks/ab", 0, 0),
        (f"features/{B}.sqlite", 500, 5),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes(size))
        os.utime(folder / name, (time.time() - age,) * 2)


def test_what_is_kept_is_shown(folder: Path) -> None:
    empty = said_by(commands.print_cache)
    assert str(folder) in empty and "0 bytes in all" in empty and not folder.exists()
    fill(folder)
    text = said_by(commands.print_cache)
    [images] = [line for line in text.splitlines() if line.startswith("│ images")]
    assert "3.0 MB" in images and " 1 │" in images and "2 hours ago" in images
    [features] = [line for line in text.splitlines() if line.startswith("│ features")]
    assert "500 bytes" in features and "just now" in features


def test_one_kind_or_all_are_deleted(folder: Path) -> None:
    fill(folder)
    assert "1 file deleted, 3.0 MB freed" in said_by(commands.clear_cache, "images")
    assert not (folder / "images" / f"{A}.npy").exists() and (folder / "features" / f"{B}.sqlite").exists()
    assert "1 file deleted, 500 bytes freed" in said_by(commands.clear_cache, "all")
    assert "0 files deleted" in said_by(commands.clear_cache, "all")
    with pytest.raises(ConfigError, match="there is no 'image' in the cache; did you mean 'images'"):
        said_by(commands.clear_cache, "image")


def test_files_of_others_in_the_folder_stay(folder: Path) -> None:
    """The folder may be one of the user's own, with `images` in it."""
    fill(folder)
    others = [folder / "images" / name for name in ("cat.jpg", "train.npz", "x.tmp-1", "2024/dog.jpg")]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"photo")
        os.utime(path, (0, 0))
    assert make_room(folder / "images", 10) and not make_room(folder / "images", 10**18)
    assert "2 files deleted" in said_by(commands.clear_cache, "all")
    assert all(path.exists() for path in others)


def test_the_flag_names_the_folder_of_any_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert take_everywhere(["train", "photos", "--cache", "there", "--out", "x"]) == ["train", "photos", "--out", "x"]
    assert cache_folder() == tmp_path / "there"
    assert take_everywhere(["check", "--cache=elsewhere", "x", "--", "--cache", "y"]) == [
        "check",
        "x",
        "--",
        "--cache",
        "y",
    ]
    assert cache_folder() == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["train", "--cache"], "--cache needs a folder: --cache DIR"),
        (["train", "--cache="], "--cache needs a folder: --cache DIR"),
        (["train", "--cache", "--out", "x"], "--cache needs a folder: --cache DIR"),
        (["train", "--cache", "a", "--cache", "b"], "--cache is given twice: give it once"),
        (["check", "digits", "--cache", "file"], "--cache must be a folder, file is a file"),
    ],
)
def test_a_wrong_flag_is_refused(
    tokens: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    assert run(tokens) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("size", "text"), [(12, "12 bytes"), (1500, "1.5 kB"), (2e6, "2.0 MB"), (5.25e10, "52.5 GB")])
def test_sizes_have_units(size: float, text: str) -> None:
    assert size_text(size) == text


def test_a_command_with_the_flag_keeps_images_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(image_cache, "_FEW", 0)
    monkeypatch.setattr(image_cache, "DOUBTFUL", 0.0)
    for number in range(6):
        place = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9), number, np.uint8)).save(place)
    assert run(["check", str(tmp_path / "photos"), "--cache", str(tmp_path / "kept")]) == 0
    assert len(list((tmp_path / "kept" / "images").glob("*.npz"))) == 1
    assert run(["cache", "--cache", str(tmp_path / "kept"), "--clear", "all"]) == 0
    assert not list((tmp_path / "kept").rglob("*.npz"))
    assert "1 file deleted" in capsys.readouterr().out
