"""Links that lead to themselves, and folders, pipes and devices in the place of the files of a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tutelage.core.inputs import real_path

OUT = {  # of each ending, one command
    "csv": ["predict", "run", "data"],
    "npz": ["embed", "run", "data"],
    "html": ["report", "run"],
    "json": ["evaluate", "run", "data"],
    "png": ["show", "data"],
}
NAMED = {
    "a source": (["check", "loop"], "cannot be trained on: 1 problem"),
    "a source to train on": (["train", "loop", "--out", "r"], "/loop is a link that leads to itself; expected"),
    "images to predict": (
        ["predict", "run", "loop", "--out", "o.csv"],
        "loop is a link that leads to itself; expected",
    ),
    "a run to predict with": (["predict", "loop", "data", "--out", "o.csv"], "run folder: it is a link that leads to"),
    "a run to report on": (["report", "loop"], "loop is not a run folder: it is a link that leads to itself"),
    "labels": (["select", "data", "--count", "2", "--labels", "loop", "--out", "o.csv"], "loop: "),
    "a run folder": (["train", "data", "--out", "loop", "--steps", "1"], "the run folder loop is a link that leads to"),
    "settings": (["train", "data", "--out", "r", "--config", "loop"], "cannot read the settings file loop: Too many"),
}
MADE: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (Path.mkdir, "Is a directory"),
    "pipe": (os.mkfifo, "it is a pipe: expected a regular file"),
    "loop": (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is a device: expected a regular file"),
    "link to nothing": (lambda path: path.symlink_to("nothing"), "No such file or directory"),
}
FILES = ("metrics.jsonl", "scored.npz", "result.json", "split.json", "verdict.json")


@pytest.fixture
def loop(world: Any) -> Any:
    """A world with a run and a link `loop` to itself."""
    world.run()
    (world.root / "loop").symlink_to("loop")
    return world


@pytest.mark.parametrize("ending", OUT)
def test_a_result_is_not_written_onto_a_link_to_itself(ending: str, loop: Any, refused: Any) -> None:
    (loop.root / f"o.{ending}").symlink_to(f"o.{ending}")
    refused([*OUT[ending], "--out", f"o.{ending}"], f"cannot write o.{ending}: it is a link that leads to itself")


@pytest.mark.parametrize("what", NAMED)
def test_a_link_to_itself_is_called_what_it_is(what: str, loop: Any, refused: Any) -> None:
    command, message = NAMED[what]
    said = refused(command, message)
    assert "did you mean" not in said


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_in_a_run_is_named(name: str, kind: str, world: Any, refused: Any) -> None:
    make, why = MADE[kind]
    file = world.root / world.run() / name
    file.unlink(missing_ok=True)
    make(file)
    refused(["report", "run", "--out", "r.html"], f"cannot read (the predictions in )?run/{name}: {why}")


@pytest.mark.parametrize("kind", MADE)
def test_a_run_whose_result_is_no_file_is_not_trained_again(kind: str, world: Any, refused: Any) -> None:
    make, why = MADE[kind]
    file = world.root / world.run() / "result.json"
    file.unlink()
    make(file)
    refused(["train", "--resume", "run", "--no-report"], f"cannot read run/result.json: {why}")


@pytest.mark.parametrize("name", ["metrics.jsonl", "timing.jsonl"])
@pytest.mark.parametrize("kind", MADE)
def test_a_run_whose_log_is_no_file_is_not_resumed(name: str, kind: str, world: Any, refused: Any) -> None:
    make, why = MADE[kind]
    file = world.root / world.run(finished=False) / name
    file.unlink()
    make(file)
    refused(["train", "--resume", "run", "--no-report"], f"cannot read run/{name}: {why}")


def test_the_real_path_of_a_link_to_itself_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "good").symlink_to("file")
    assert real_path(tmp_path / "loop" / "a") == real_path(tmp_path) / "loop" / "a"
    assert real_path(tmp_path / "good") == real_path(tmp_path) / "file"
