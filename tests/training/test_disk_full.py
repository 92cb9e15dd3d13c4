"""A disk that is full at any byte, by way of RLIMIT_FSIZE: a write beyond the limit fails as on a full disk."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.runs import cut_back, digests
from tutelage import cli
from tutelage.core.errors import RunError
from tutelage.core.files import write_atomically
from tutelage.run.curves import Curves
from tutelage.training.checkpoint import load_checkpoint

STEPS = 8
SETTINGS = {
    "label-count": 600,
    "batch-size": 4,
    "steps": STEPS,
    "log-every": 1,
    "eval-every": 2,
    "checkpoint-every": 2,
    "workers": 0,
    "network": "wrn-10-1",
}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def train(run: Path, **more: int) -> int:
    given = SETTINGS | {name.replace("_", "-"): value for name, value in more.items()}
    flags = [f"--{name}={value}" for name, value in given.items()]
    return cli.run(["train", "digits", *flags, "--out", str(run), "--no-report"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    assert train(run) == 0
    return run


SIZES = [1, 100, 300, 400, 500, 600, 800, 1000, 1300, 1600, 2000, 4000, 6000, 10_000, 50_000, 200_000, 400_000, 600_000]


@pytest.mark.long
@pytest.mark.parametrize("size", [*SIZES, 800_000, 940_000])
def test_on_a_full_disk_the_run_keeps_its_checkpoint_and_goes_on_later(
    size: int, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = cut_back(whole, tmp_path / "run", 6)
    with largest_file(size):
        code = cli.run(["train", "--resume", str(run), "--no-report"])
    error = capsys.readouterr().err
    assert code == 2, error
    assert error.count("\n") == 1, error
    assert error.startswith(f"tutelage: cannot write {run}"), error
    assert error.endswith("File too large\n"), error
    assert not list(run.rglob("*.tmp-*"))
    assert load_checkpoint(run / "checkpoints").step == 6
    assert cli.run(["train", "--resume", str(run), "--no-report"]) == 0
    assert digests(run) == digests(whole)


@pytest.mark.parametrize("size", [10, 700, 3000, 9000, 100_000, 500_000])
def test_a_run_that_cannot_begin_on_a_full_disk_leaves_nothing(
    size: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with largest_file(size):
        assert train(tmp_path / "run") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("tutelage: cannot write "), error
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_does_not_fit_names_path_and_bytes_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with largest_file(100), pytest.raises(RunError, match=rf"cannot write {path} \(101 bytes\): File too large"):
        write_atomically(path, bytes(101))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_curves_that_fill_the_disk_are_one_clear_error(tmp_path: Path) -> None:
    curves = Curves(tmp_path, start=0)
    with largest_file(500), pytest.raises(RunError, match=rf"cannot write {tmp_path}: File too large"):
        for step in range(100):
            curves.add("training", step, {"loss": 1.0})
    curves.close()
