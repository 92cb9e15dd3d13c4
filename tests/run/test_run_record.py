from __future__ import annotations

import ast
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import tutelage
from tutelage.config import resolve
from tutelage.core.errors import RunError
from tutelage.core.headlines import ACCURACY, DICE, NEIGHBORS
from tutelage.run.run_files import FORMAT
from tutelage.run.run_record import RunRecord

SCORES = {"n": 10, "accuracy": 0.75}


def write(run: Path, name: str, content: Any) -> None:
    run.mkdir(exist_ok=True)
    (run / name).write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The config.json of a run on three classes, and nothing else."""
    settings = resolve({"data.path": "digits", "method.name": "fixmatch", "train.steps": 4}).to_dict()
    facts = {"classes": ["a", "b", "c"], "channels": 1, "fingerprint": "0", "image_size": 8, "mean": [0.5], "std": [1]}
    config = {"settings": settings, "plan": {"steps": 4}, "data": facts, "environment": {"tutelage": "0"}}
    write(tmp_path / "run", "config.json", {"format": FORMAT, **config})
    return tmp_path / "run"


def test_a_file_is_read_when_it_is_asked_for_and_errors_name_it(run: Path) -> None:
    record = RunRecord(run)
    assert (record.method, record.kind.name, record.classes, record.steps) == ("fixmatch", "images", ("a", "b", "c"), 4)
    assert (record.rows, record.result, record.verdict, record.baseline) == ([], None, None, None)
    with pytest.raises(RunError, match=r"cannot read .*split\.json"):
        _ = record.split
    write(run, "split.json", {"labeled": []})
    with pytest.raises(RunError, match=r"split\.json is damaged: its keys"):
        _ = record.split
    write(run, "metrics.jsonl", '{"step": 1, "kind": "training"}\nnonsense\n')
    with pytest.raises(RunError, match=r"metrics\.jsonl line 2 is damaged"):
        _ = RunRecord(run).rows
    write(run, "result.json", "{")
    with pytest.raises(RunError, match=r"result\.json is damaged"):
        _ = RunRecord(run).result


def test_an_unfinished_run_has_no_scores(run: Path) -> None:
    record = RunRecord(run)
    assert not record.finished and not record.scored
    assert (record.part, record.scores, record.evaluated, record.headline) == (None, {}, "teacher", ACCURACY)
    with pytest.raises(RunError, match="is not finished"):
        _ = record.final


def test_the_scores_are_those_of_the_evaluated_network_on_test_data(run: Path) -> None:
    networks = {"teacher": SCORES, "student": SCORES | {"accuracy": 0.5}}
    write(run, "result.json", {"evaluated": "teacher", "validation": {"teacher": SCORES}, "test": networks})
    write(run, "split.json", {"labeled": ["1", "2"], "held_out": ["3"], "unlabeled_images": 7})
    record = RunRecord(run)
    assert record.finished and record.scored
    assert (record.part, record.score, record.score_of("student"), record.score_of("other")) == (
        "test",
        0.75,
        0.5,
        None,
    )
    assert (record.labels, record.unlabeled, record.without_label) == (3, 7, 5)


def test_what_is_logged_is_averaged_over_the_later_part_of_the_training(run: Path) -> None:
    lines = [{"step": step, "kind": "training", "loss": float(step)} for step in (1, 2, 3, 4)]
    lines.append({"step": 4, "kind": "validation", "teacher": {"accuracy": 0.5}})
    write(run, "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 5, "ki')
    record = RunRecord(run)
    assert (len(record.training), len(record.validation), record.steps_done) == (4, 1, 4)
    assert (record.mean("loss"), record.mean("loss", since=0.0), record.mean("other")) == (3.5, 2.5, None)


@pytest.mark.parametrize(("stated", "headline"), [("dice", DICE), ("knn_accuracy", NEIGHBORS), (None, ACCURACY)])
def test_the_headline_is_the_one_that_the_result_states(run: Path, stated: str | None, headline: object) -> None:
    write(run, "result.json", {"evaluated": "teacher"} | ({} if stated is None else {"headline": stated}))
    assert RunRecord(run).headline == headline


@pytest.mark.long
def test_no_two_classes_of_the_package_share_a_name() -> None:
    root = Path(tutelage.__file__).parent
    trees = [ast.parse(path.read_text()) for path in root.rglob("*.py")]
    names = Counter(node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef))
    assert [name for name, count in names.items() if count > 1] == []
