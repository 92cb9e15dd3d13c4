"""Trackers: what they are given, that a failing one ends no training, and that a resumed run goes on in them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import tutelage
from support.runs import checkpoints, cut_back, digests
from tutelage.config.settings import TrainConfig
from tutelage.core.errors import ConfigError, MissingExtra
from tutelage.run.own_files import remove_run
from tutelage.run.trackers import trackers
from tutelage.run.trackers.base import Ending, Tracker
from tutelage.run.trackers.own import RECORD

BRIEF: dict[str, Any] = {
    "method": "supervised",
    "preset": "none",
    "network": "small",
    "steps": 6,
    "log_every": 2,
    "checkpoint_every": 2,
    "batch_size": 4,
    "device": "cpu",
    "settings": {"network.width": 4},
}


class MemoryTracker(Tracker):
    """Remembers all that it is given; `broken` names a method that raises."""

    name, packages = "mlflow", ()
    broken = ""
    calls: list[tuple[str, Any]]

    def open(self, home: Path, title: str, known: str | None, settings: Mapping[str, Any]) -> str:
        self._call("open", (title, known, dict(settings)))
        return known or "first"

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._call("log", (step, dict(values)))

    def keep(self, files: Sequence[Path]) -> None:
        self._call("keep", [file.name for file in files])

    def close(self, ending: Ending) -> None:
        self._call("close", ending)

    def _call(self, name: str, value: Any) -> None:
        type(self).calls.append((name, value))
        if name == self.broken:
            raise OSError("the server\nis gone")


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> type[MemoryTracker]:
    monkeypatch.setattr(MemoryTracker, "calls", [], raising=False)
    monkeypatch.setattr(MemoryTracker, "broken", "")
    monkeypatch.setitem(trackers.TRACKERS, "mlflow", MemoryTracker)
    return MemoryTracker


def test_a_tracker_is_given_settings_curves_final_scores_and_files(
    memory: type[MemoryTracker], few_digits: Path, tmp_path: Path
) -> None:
    run = tutelage.train(few_digits, out=tmp_path / "a", log="mlflow", **BRIEF)
    names = [name for name, _ in memory.calls]
    assert names[0] == "open" and names[-2:] == ["keep", "close"]
    title, known, settings = memory.calls[0][1]
    assert (title, known) == ("a", None)
    assert settings["train.steps"] == 6 and settings["method.name"] == "supervised"
    logged = [value for name, value in memory.calls if name == "log"]
    lines = [row for row in run.history() if row["kind"] == "training"]
    for row in lines:
        (values,) = (values for step, values in logged if step == row["step"] and "training/loss" in values)
        assert values["training/loss"] == row["loss"]
    final = {name: value for _, values in logged for name, value in values.items() if name.startswith("final/test/")}
    assert final["final/test/teacher/accuracy"] == run.metrics["test"]["teacher"]["accuracy"]
    assert memory.calls[-2:] == [("keep", ["result.json"]), ("close", "finished")]
    assert json.loads((run.path / RECORD).read_text()) == {"mlflow": "first"}


@pytest.mark.parametrize("broken", ["open", "log", "keep", "close"])
def test_a_tracker_that_fails_is_said_once_and_changes_nothing(
    broken: str, memory: type[MemoryTracker], few_digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory.broken = broken
    run = tutelage.train(few_digits, out=tmp_path / "a", log="mlflow", quiet=False, **BRIEF)
    assert capsys.readouterr().out.count("mlflow failed, and the training goes on without it: the server is gone") == 1
    assert run.score is not None
    assert [name for name, _ in memory.calls].count(broken) == 1


@pytest.mark.long
def test_weights_are_the_same_with_a_tracker_and_after_a_resumption_in_the_same_run(
    memory: type[MemoryTracker], few_digits: Path, tmp_path: Path
) -> None:
    plain = tutelage.train(few_digits, out=tmp_path / "plain", **BRIEF)
    tracked = tutelage.train(few_digits, out=tmp_path / "tracked", log=["mlflow"], **BRIEF)
    newest = checkpoints(plain.path)[-1]["file"]
    of_weights = {newest, "metrics.jsonl"}
    assert {k: v for k, v in digests(plain.path).items() if k in of_weights} == {
        k: v for k, v in digests(tracked.path).items() if k in of_weights
    }
    cut = cut_back(tracked.path, tmp_path / "cut", 4)
    memory.calls.clear()
    tutelage.train(resume=cut)
    assert memory.calls[0][1][1] == "first"
    assert digests(cut) == digests(tracked.path)


def test_what_is_not_installed_is_said_before_the_training(
    few_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"log='wandb' needs the package 'wandb': pip install 'tutelage\[wandb\]'"):
        tutelage.train(few_digits, out=tmp_path / "a", log="wandb", **BRIEF)
    assert not (tmp_path / "a").exists()
    with pytest.raises(ConfigError, match="did you mean 'mlflow'"):
        TrainConfig(log=("mlfow",))


def test_only_what_trackers_wrote_goes_with_a_run(tmp_path: Path) -> None:
    own = ["mlflow/mlflow.db", f"mlflow/artifacts/{'a' * 32}/artifacts/result.json", RECORD]
    own += ["wandb/offline-run-20260101_000000-abc/run-abc.wandb", "wandb/debug.log"]
    others = ["mlflow/notes.txt", "wandb/mine/x.txt", "mlflow/artifacts/mine.txt"]
    for name in (*own, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('{"mlflow": "x"}')
    remove_run(tmp_path)
    assert sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()) == sorted(others)


@pytest.mark.long
@pytest.mark.filterwarnings("default")
def test_mlflow_holds_the_run_and_goes_on_with_it(
    few_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = pytest.importorskip("mlflow.tracking")
    pytest.importorskip("sqlalchemy")
    place = f"sqlite:///{tmp_path / 'all.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "digits")
    monkeypatch.chdir(tmp_path)
    run = tutelage.train(few_digits, out=tmp_path / "a", log="mlflow", **BRIEF)
    cut = cut_back(run.path, tmp_path / "cut", 4)
    tutelage.train(resume=cut)
    client = tracking.MlflowClient(tracking_uri=place)
    experiment = client.get_experiment_by_name("digits")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_id == json.loads((run.path / RECORD).read_text())["mlflow"]
    assert found.info.status == "FINISHED" and found.info.run_name == "a"
    assert found.data.params["train.steps"] == "6"
    losses = client.get_metric_history(found.info.run_id, "training/loss")
    assert sorted({point.step for point in losses}) == [2, 4, 6]
    by_step = {row["step"]: row["loss"] for row in run.history() if row["kind"] == "training"}
    assert all(math.isclose(point.value, by_step[point.step]) for point in losses)
    assert "final/test/teacher/accuracy" in found.data.metrics
    assert [file.path for file in client.list_artifacts(found.info.run_id)] == ["result.json"]
    assert not (run.path / "mlflow").exists()


@pytest.mark.long
@pytest.mark.filterwarnings("default")
def test_wandb_writes_an_offline_run_and_goes_on_under_its_name(few_digits: Path, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    run = tutelage.train(few_digits, out=tmp_path / "a", log="wandb", **BRIEF)
    cut = cut_back(run.path, tmp_path / "cut", 4)
    tutelage.train(resume=cut)
    name = json.loads((run.path / RECORD).read_text())["wandb"]
    assert json.loads((cut / RECORD).read_text())["wandb"] == name
    (first,) = (run.path / "wandb").glob(f"offline-run-*-{name}/run-{name}.wandb")
    assert len(list((cut / "wandb").glob(f"offline-run-*-{name}"))) == 2
    content = first.read_bytes()
    for expected in (b"training/loss", b"final/test/teacher/accuracy", b"train.steps", b"result.json"):
        assert expected in content
