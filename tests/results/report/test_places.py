"""Short names instead of absolute paths, and the baselines of runs beside them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.runs import unsealed
from tutelage import cli
from tutelage.results.report import write_report
from tutelage.results.report.blocks import Cell, Text
from tutelage.results.report.places import data_names, run_names, without_paths
from tutelage.results.report.repeat import train_command, train_commands
from tutelage.run.run_record import RunRecord

BRIEF = ["--label-count", "40", "--steps", "4", "--batch-size", "4", "--device", "cpu", "--workers", "1"]
BRIEF += ["--network.width", "8", "--method", "fixmatch"]


@pytest.fixture(scope="module")
def pair(few_digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its supervised baseline, on data with an absolute path."""
    out = tmp_path_factory.mktemp("runs") / "mine"
    longer = ["--baseline", "--train.baseline-steps", "6", "--seed", "1"]
    assert cli.run(["train", str(few_digits), "--out", str(out), *BRIEF, *longer]) == 0
    return out


def page_of(runs: list[Path], folder: Path) -> str:
    write_report(runs, folder / "page.html", most=10, overwrite=True)
    return (folder / "page.html").read_text()


def folder_with(settings: dict[str, Any], path: Path) -> RunRecord:
    record = RunRecord(path)
    vars(record)["config"] = {"settings": settings}
    return record


@pytest.mark.long
def test_a_page_names_no_absolute_path(pair: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(pair, tmp_path / "x" / "mine"))
    root = str(pair.parents[1])
    for runs in ([pair], [pair, other], [other, pair / "baseline"]):
        page = page_of(runs, tmp_path)
        assert root not in page and str(tmp_path) not in page
        assert "digits.npz" in page and "Run it in the folder that holds digits.npz." in page
    assert (tmp_path / "page.html").exists()
    write_report([pair, other], tmp_path / "page.md", format="md", most=10)
    assert root not in (tmp_path / "page.md").read_text()


def test_what_is_missing_is_said_without_its_path(pair: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(pair, tmp_path / "copy"))
    recorded = unsealed(copy / "config.json")
    recorded["settings"]["data"]["path"] = str(tmp_path / "gone.npz")
    (copy / "config.json").write_text(json.dumps(recorded))
    (copy / "result.json").unlink()
    page = page_of([copy], tmp_path)
    assert str(tmp_path) not in page
    assert "gone.npz" in page and "Resume it with:" in page


@pytest.mark.long
def test_the_report_of_a_run_and_of_several_shows_their_baselines(pair: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(pair, tmp_path / "other"))
    page = page_of([pair, other], tmp_path)
    assert "<h1>2 runs and 2 supervised baselines on digits.npz</h1>" in page
    for name in ("mine", "mine/baseline", "other", "other/baseline"):
        assert f">{name}</td>" in page
    assert page.count('class="chapter"') == 2
    assert "fixmatch, 40 labels: " in page  # a verdict, though no supervised run was named
    named = page_of([pair, pair / "baseline"], tmp_path)
    assert "<h1>2 runs on digits.npz</h1>" in named and named.count(">mine/baseline</td>") == 1


def test_the_command_of_a_baseline_is_that_of_its_run_and_repeats_its_steps(pair: Path) -> None:
    run, baseline = RunRecord(pair), RunRecord(pair / "baseline")
    command = train_command(baseline, data_names([run]))
    assert command == train_command(run, data_names([run]))
    assert "--baseline" in command.split() and "--train.baseline-steps 6" in command
    assert "tutelage train digits.npz" in command
    assert train_commands([run, baseline]) == [train_command(run)]


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["a", "b"], ["a", "b"]),
        (["x/a", "y/a", "y/b"], ["x/a", "y/a", "b"]),
        (["x/p/a", "y/p/a"], ["x/p/a", "y/p/a"]),
        (["x/a", "x/a"], ["a", "a"]),
    ],
)
def test_runs_are_told_apart_by_as_few_folders_as_it_takes(
    tmp_path: Path, folders: list[str], names: list[str]
) -> None:
    assert run_names([RunRecord(tmp_path / folder) for folder in folders]) == names


def test_data_has_the_path_from_the_folder_that_all_of_it_lies_in(tmp_path: Path) -> None:
    given = {"path": "/x/photos", "labels": "/x/photos/labels.csv", "test": "/x/held/out", "val": "digits"}
    deep = {"train": {"init_from": "/y/1/2/3/runs/a"}}
    record = folder_with({"data": given}, tmp_path / "run")
    assert data_names([record]) == {
        "/x/photos": "photos",
        "/x/photos/labels.csv": "photos/labels.csv",
        "/x/held/out": "held/out",
    }
    assert data_names([folder_with({"data": given} | deep, tmp_path)])["/y/1/2/3/runs/a"] == "a"
    assert data_names([folder_with({"data": {"path": "digits"}}, tmp_path)]) == {}


def test_every_text_of_a_page_is_shortened(tmp_path: Path) -> None:
    record = folder_with({"data": {"path": "/x/photos", "test": "/x/photos-test"}}, tmp_path / "run")
    assert without_paths((Text("/x/photos-test and /x/photos/a.png"), Cell(f"in {tmp_path}/run")), [record]) == (
        Text("photos-test and photos/a.png"),
        Cell("in run"),
    )
