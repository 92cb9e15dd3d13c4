"""What one command says of files that it leaves out, all commands say."""

from __future__ import annotations

import csv
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tutelage
from tutelage import cli
from tutelage.data.images.arrays import list_arrays
from tutelage.data.images.source import list_image_splits, list_images
from tutelage.data.scans.source import list_scan_splits

FLAGS = ["--method=supervised", "--network=small", "--steps=1", "--no-report", "--preset=none", "--image-size=8"]
BRIEF = ["--steps", "1", "--batch-size", "4", "--network", "wrn-10-1"]
COMMANDS = {
    "check": ["check", "data"],
    "predict": ["predict", "run", "data", "--out", "p.csv"],
    "evaluate": ["evaluate", "run", "data"],
    "embed": ["embed", "run", "data", "--out", "e.npz"],
    "probe": ["probe", "run", "data", "--label-counts", "all", "--no-random", "--kind", "knn"],
    "show": ["show", "data", "--out", "s.png", "--images", "2"],
    "select": ["select", "data", "--count", "1", "--out", "s.csv"],
    "clean": ["clean", "data", "--out", "c.csv"],
    "train": ["train", "data", "--out", "r", "--method", "supervised", *BRIEF, "--no-report"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_which_files_it_leaves_out(
    command: str, world: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run()
    world.image("data/.old/1.png", "data/dog/.old/1.png")
    world.write("data/cat/9.cr2", "x")
    world.write("data/cat/._1.png", "x")
    os.mkfifo("data/cat/9.png")
    os.mkfifo("data/dog/list.csv")
    assert cli.run(COMMANDS[command]) == 0
    said = " ".join(capsys.readouterr().out.split())
    special = "pipe, socket or device skipped: ", "cat/9.png (a pipe)", "dog/list.csv (a pipe)"
    for name in ("1 .cr2", "1 hidden", "hidden folders were skipped: ", "dog/.old", *special):
        assert name.replace("pipe, ", "") in said.replace("pipes, sockets or devices", "socket or device"), name


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def said_of_images(root: Path, role: Any) -> str:
    if role == "splits":
        return "\n".join(said for listing in list_image_splits(str(root)).values() for said in listing.warnings)
    return "\n".join(list_images(str(root), role=role).warnings)


def test_images_beside_splits_and_shards_are_counted_in_every_role(tmp_path: Path) -> None:
    splits = touch(tmp_path / "a", "train/cat/1.png", "train/dog/1.png", "test/cat/1.png", "x.png", "more/y.png")
    assert "1 image beside the splits skipped (first: x.png)" in said_of_images(splits, "splits")
    assert "folders beside the splits were skipped: more" in said_of_images(splits, "splits")
    shards = touch(tmp_path / "b", "test-0.tar", "cat/1.png")
    for role in ("splits", "predict", "test"):
        assert "1 image files beside the shards were skipped (first: cat/1.png)" in said_of_images(shards, role)


def test_what_is_neither_a_file_nor_a_folder_is_named_in_every_source(tmp_path: Path) -> None:
    def special(folder: str) -> str:
        os.mkfifo(tmp_path / folder / "p.png")
        (tmp_path / folder / "zero.jpg").symlink_to("/dev/zero")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(tmp_path / folder / "s.sock"))
        return "3 pipes, sockets or devices"

    names = "p.png (a pipe), s.sock (a socket), zero.jpg (a device)"
    touch(tmp_path, "a/1.png", "b/images/c.nii", "b/labels/c.nii", "d/x-0.tar", "e/c.png")
    for folder, role in (("a", "predict"), ("a", "unlabeled")):
        many = "" if role == "unlabeled" else special(folder)
        assert f"{many} skipped: {names}" in said_of_images(tmp_path / folder, role)
    many = special("b/images")
    assert any(f"{many} not used: {names}" in said for said in list_scan_splits(str(tmp_path / "b"))["train"].warnings)


def test_arrays_that_are_not_used_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 4, 4), np.uint8), y=np.arange(2), x_valid=np.zeros(3), mask=np.zeros(3))
    assert list_arrays(tmp_path / "d.npz", "d.npz")["train"].warnings == [
        "d.npz: arrays that are not used: mask, x_valid (known: classes, x, x_test, x_val, y, y_test, y_val)"
    ]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["images/a.nii", "images/old/b.nii", "labels/a.nii"], "1 scan in deeper folders not used (first: old/b.nii)"),
        (["images/a.nii", "labels/a.nii", "labels/a.stl"], "labels: files of other kinds are not used: a.stl"),
        (["a.h5", "b.xyz"], "files of other kinds are not used: b.xyz"),
        (["a/lgemri.nrrd", "b/other.nrrd"], "folders without lgemri.nrrd are not used: b"),
    ],
)
def test_what_is_left_out_of_scans_is_named(names: list[str], said: str, tmp_path: Path) -> None:
    touch(tmp_path, *names)
    assert any(said in warning for warning in list_scan_splits(str(tmp_path))["train"].warnings)


def test_python_gets_a_warning_of_what_is_left_out(world: Any) -> None:
    run = world.run()
    world.write("data/cat/9.cr2", "x")
    for function in (tutelage.predict, tutelage.embed, tutelage.evaluate):
        with pytest.warns(UserWarning, match=r"data(/cat)?: files that are not images were skipped: 1 .cr2"):
            function(run, "data")


def test_links_between_folders_end_and_are_named(tmp_path: Path) -> None:
    root = touch(tmp_path / "p", *(f"{name}/1.png" for name in "abcdefghij"))
    for one in "abcdefghij":
        for other in "abcdefghij":
            (root / one / f"to-{other}").symlink_to(root / other)
    (root / "a" / "self.png").symlink_to("self.png")
    listing = list_images(str(root), role="predict")
    assert 10 <= len(listing.items) <= 160
    assert any("is reached in more than 16 ways over links" in said for said in listing.warnings)
    assert listing.faults == []
    assert "a/self.png" in [item.name for item in listing.items]


@pytest.fixture(scope="module")
def dead_link(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with class folders, a link to nowhere and one to itself, and a run on the same photos without them."""
    root = tmp_path_factory.mktemp("links")
    for folder in ("sound", "photos"):
        for number in range(8):
            file = root / folder / "ab"[number % 2] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (16, 16), 20 * number).save(file)
    (root / "photos" / "a" / "8.png").symlink_to("nowhere.png")
    (root / "photos" / "b" / "9.png").symlink_to("9.png")
    assert cli.run(["train", str(root / "sound"), "--out", str(root / "run"), *FLAGS]) == 0
    return root


def test_links_to_nowhere_are_unreadable_images_in_predictions(dead_link: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    assert cli.run(["predict", str(dead_link / "run"), str(dead_link / "photos"), "--out", str(out)]) == 1
    rows = {row["path"]: row for row in csv.DictReader(out.read_text().splitlines())}
    assert len(rows) == 10
    for path in ("a/8.png", "b/9.png"):
        assert rows[path]["error"].startswith("is a link to a file that does not exist: restore the file or remove")
    assert all(row["label"] for path, row in rows.items() if path not in ("a/8.png", "b/9.png"))


@pytest.mark.parametrize("command", ["check", "train"])
def test_links_to_nowhere_are_faults_that_can_be_skipped(
    command: str, dead_link: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(dead_link / "photos"), *(["--out", str(tmp_path / "run"), *FLAGS] if command == "train" else [])]
    assert cli.run([command, *given]) in (1, 2)
    said = " ".join("".join(capsys.readouterr()).split())
    assert "a/8.png is a link to a file that does not exist: restore the file or remove the link (or leave" in said
    assert said.count("such images out: --skip-unreadable)") == 1
    assert cli.run([command, *given, "--skip-unreadable"]) == 0
    said = " ".join("".join(capsys.readouterr()).split())
    assert "left out: " in said and "b/9.png is a link to a file that does not exist" in said
