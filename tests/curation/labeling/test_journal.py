"""What was said is on the disk, can be undone, and is a label table at any time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import support.answering
import support.labeling
from tutelage.core.errors import DataError, RunError
from tutelage.core.writable import TEMPORARY
from tutelage.curation.labeling.journal import Journal
from tutelage.curation.labeling.label_rows import Said
from tutelage.data.images.tables import read_table

NAMES = ["a.png", "b.png", "=c.png", "d/e.png"]


def opened(path: Path, labels: dict[str, str] | None = None) -> Journal:
    journal = Journal(path)
    journal.adopt(NAMES, path.parent, labels or {})
    return journal


def table(path: Path) -> dict[str, str | None]:
    """The labels by path, as `train` reads them: one row for each path."""
    rows, faults = read_table(path)
    assert not faults and len({row.path for row in rows}) == len(rows)
    return {row.path: row.label for row in rows}


def test_each_answer_is_in_the_table_at_once_with_who_gave_it(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    with opened(file) as journal:
        journal.say({"a.png": Said("cat", "human", 0.25, "2026-01-31T12:00:00+00:00")})
        assert table(file) == {"a.png": "cat"}
        journal.say({"=c.png": Said(None), "b.png": Said("dog", "model", 0.5)})
        assert table(file) == {"a.png": "cat", "./=c.png": None, "b.png": "dog"}
    found = pd.read_csv(file, keep_default_na=False)
    assert list(found) == ["path", "label", "by", "confidence", "time"]
    assert found.iloc[0].tolist() == ["a.png", "cat", "human", "0.2500", "2026-01-31T12:00:00+00:00"]


def test_a_new_answer_about_the_same_image_replaces_its_row(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    with opened(file) as journal:
        for label in ("cat", "dog", "cow"):
            journal.say({"a.png": Said(label)})
            journal.say({"b.png": Said(label)})
        assert table(file) == {"a.png": "cow", "b.png": "cow"}
        journal.say({"d/e.png": Said("cat")})
        assert table(file) == {"a.png": "cow", "b.png": "cow", "d/e.png": "cat"}


def test_undo_reaches_across_restarts_to_the_first_answer(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    with opened(file) as journal:
        journal.say({"a.png": Said("cat")})
        journal.say({"a.png": Said("dog"), "b.png": Said("dog")})
    with opened(file) as journal:
        assert set(journal.undo().after) == {"a.png", "b.png"}
        assert table(file) == {"a.png": "cat"}
    with opened(file) as journal:
        journal.undo()
        assert not journal.last(1) and journal.said == {}
        with pytest.raises(RunError, match="no answer to undo"):
            journal.undo()


def test_undo_keeps_a_row_that_holds_more_than_the_answer(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("path,label,rank,reason\na.png,,1,typical\nb.png,,,\n")
    with opened(file) as journal:
        journal.say({"a.png": Said("cat"), "d/e.png": Said("dog")})
        journal.undo()
        assert journal.said == {}
    found = pd.read_csv(file, keep_default_na=False, dtype=str)
    assert found[["path", "label", "rank", "by"]].to_numpy().tolist() == [["a.png", "", "1", ""], ["b.png", "", "", ""]]
    assert found["reason"].tolist() == ["typical", ""]


@pytest.mark.parametrize("cut", ["the table lacks the last answer", "the table has half of it", "the table is missing"])
def test_an_answer_that_reached_the_history_only_is_finished(tmp_path: Path, cut: str) -> None:
    file = tmp_path / "labels.csv"
    journal = opened(file)
    if cut != "the table is missing":
        journal.say({"a.png": Said("cat")})
    before = file.read_bytes() if file.exists() else b""
    journal.say({"b.png": Said("dog", time="t"), "d/e.png": Said("cow", time="t")})
    history, after = journal.history.read_bytes(), file.read_bytes()
    journal.close()
    journal.history.write_bytes(history)  # as if it had been killed
    file.write_bytes(after[: len(before) + 9] if "half" in cut else before)
    if cut == "the table is missing":
        file.unlink()
    with opened(file) as again:
        assert file.read_bytes() == after
        assert again.undo().after.keys() == {"b.png", "d/e.png"}


def test_an_undo_that_reached_the_history_only_is_finished(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    journal = opened(file)
    journal.say({"a.png": Said("cat")})
    journal.say({"b.png": Said("dog")})
    after = file.read_bytes()
    journal.undo()
    history = journal.history.read_bytes()
    journal.close()
    journal.history.write_bytes(history)
    file.write_bytes(after)
    with opened(file):
        assert table(file) == {"a.png": "cat"}


def test_a_line_of_the_history_that_is_not_complete_was_never_confirmed(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    journal = opened(file)
    journal.say({"a.png": Said("cat")})
    history = journal.history.read_bytes()
    journal.close()
    journal.history.write_bytes(history + history[:20])
    with opened(file) as again:
        again.say({"b.png": Said("dog")})
    with opened(file) as again:
        assert {name: said.label for name, said in again.said.items()} == {"a.png": "cat", "b.png": "dog"}


def test_what_a_person_changed_in_the_table_between_two_sessions_stays(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    with opened(file) as journal:
        journal.say({"a.png": Said("cat")})
        journal.say({"b.png": Said("dog")})
    file.write_text("path,label\na.png,cow")  # another label, no b.png, no end of line
    with opened(file) as journal:
        assert {name: said.label for name, said in journal.said.items()} == {"a.png": "cow"}
        journal.say({"b.png": Said("cat")})
    assert table(file) == {"a.png": "cow", "b.png": "cat"}


def test_foreign_columns_and_rows_of_other_files_stay(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("rank,Path,label,leave_out\n1,a.png,,\n2,./d/e.png,cat,\n3,gone.png,cat,yes\n")
    with opened(file) as journal:
        assert {name: said.label for name, said in journal.said.items()} == {"d/e.png": "cat"}
        journal.say({"a.png": Said("dog")})
    found = pd.read_csv(file, dtype=str, keep_default_na=False)
    assert list(found) == ["rank", "path", "label", "leave_out", "by", "confidence", "time"]
    assert found[["rank", "path", "label", "leave_out"]].to_numpy().tolist() == [
        ["1", "a.png", "dog", ""],
        ["2", "./d/e.png", "cat", ""],
        ["3", "gone.png", "cat", "yes"],
    ]


def test_labels_from_elsewhere_get_into_the_table_with_the_first_answer(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    with opened(file, {"a.png": "cat"}) as journal:
        assert not file.exists()
        journal.say({"b.png": Said("dog")})
    assert table(file) == {"a.png": "cat", "b.png": "dog"}


def test_a_second_process_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    with opened(file), pytest.raises(RunError, match="open for labeling in another process"):
        Journal(file)
    Journal(file).close()


def test_a_history_without_its_table_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    with opened(file) as journal:
        journal.say({"a.png": Said("cat")})
    file.unlink()
    with pytest.raises(DataError, match="is gone, but its history"):
        Journal(file)
    journal.history.unlink()
    Journal(file).close()


@pytest.mark.parametrize("line", ["{", "[]", '{"undo": true}', '{"before": {}, "after": {"a": 3}, "rejected": []}'])
def test_a_damaged_history_is_an_error_that_names_the_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "labels.csv.journal").write_text(line + "\n")
    with pytest.raises(DataError, match=r"labels\.csv\.journal line 1 is damaged"):
        Journal(tmp_path / "labels.csv")
    Journal(tmp_path / "other.csv").close()


def test_a_table_that_is_none_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("name;class\n")
    with pytest.raises(DataError, match="separated by semicolons"):
        Journal(file)
    assert file.read_text() == "name;class\n"
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "none" / "labels.csv"):
        with pytest.raises(RunError, match="cannot write"):
            Journal(path)


def test_an_answer_that_cannot_be_written_is_not_said(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    with opened(file) as journal:
        journal.say({"a.png": Said("cat")})
        history = journal.history.read_bytes()
        held = file.read_bytes()
        file.unlink()
        (file / "in the way").mkdir(parents=True)  # the table cannot be replaced
        with pytest.raises(RunError, match="cannot write"):
            journal.say({"a.png": Said("dog")})
        assert journal.said["a.png"].label == "cat" and journal.history.read_bytes() == history
        (file / "in the way").rmdir()
        file.rmdir()
        file.write_bytes(held)
        journal.say({"b.png": Said("cow")})
        journal.undo()
    assert table(file) == {"a.png": "cat"}


def test_no_answer_is_lost_if_another_program_replaces_the_table_meanwhile(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    with opened(file) as journal:
        journal.say({"a.png": Said("cat")})
        (tmp_path / "edited.csv").write_text("path,label\n")
        (tmp_path / "edited.csv").replace(file)
        journal.say({"b.png": Said("dog")})
        assert table(file) == {"a.png": "cat", "b.png": "dog"}
        with file.open("a") as stream:
            stream.write("half a line")
        journal.say({"d/e.png": Said("cow")})
    assert table(file) == {"a.png": "cat", "b.png": "dog", "d/e.png": "cow"}


def test_a_table_that_could_not_be_written_anew_is_so_with_the_next_answer(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    with opened(file, {"a.png": "cat"}) as journal:
        (tmp_path / f"labels.csv{TEMPORARY}{os.getpid()}").mkdir()  # in the way
        with pytest.raises(RunError, match="cannot write"):
            journal.say({"b.png": Said("dog")})
        (tmp_path / f"labels.csv{TEMPORARY}{os.getpid()}").rmdir()
        journal.say({"b.png": Said("cow")})
    assert table(file) == {"a.png": "cat", "b.png": "cow"}


def test_hostile_and_undecodable_names_come_back(tmp_path: Path) -> None:
    names = [
        "=1+1.png",
        "back\\slash.png",
        "tab\t.png",
        os.fsdecode(b"\xff.png"),
        "new\nline.png",
        "猫.png",
        '"q",.png',
    ]
    file = tmp_path / "labels.csv"
    journal = Journal(file)
    journal.adopt(names, tmp_path, {})
    for name in names:
        journal.say({name: Said("cat")})
    journal.close()
    again = Journal(file)
    again.adopt(names, tmp_path, {})
    assert set(again.said) == set(names)
    again.close()


def test_classes_keep_their_order(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    with opened(file) as journal:
        journal.name_classes(["dog", "cat"])
        assert not journal.history.exists()  # nothing is written before something is said
        journal.say({"a.png": Said("cat")})
        journal.name_classes(["dog", "cat", "ant"], at_once=True)
    with opened(file) as journal:
        assert journal.classes == ["dog", "cat", "ant"] and journal.last(1)


def killed(root: Path, kills: int, script: str) -> None:
    """Kill a process that answers in a loop, again and again; each answer that it confirmed must be there."""
    confirmed: dict[str, str] = {}
    draw = np.random.default_rng(0)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")])}
    for number in range(kills):
        words = [sys.executable, script, str(root), str(len(confirmed) + 1000)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env)
        assert process.stdout is not None
        for _ in range(int(draw.integers(1, 5))):
            name, label = process.stdout.readline().split()
            confirmed[name] = label
        try:
            process.wait(float(draw.uniform(0, 0.05)))  # anywhere in the next answer
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        confirmed |= dict(line.split() for line in process.stdout.read().splitlines())
        process.wait()
        process.stdout.close()
        history = (root / "labels.csv.journal").read_bytes()
        said = [json.loads(line) for line in history[: history.rfind(b"\n")].splitlines()]
        assert said, number
        found = table(root / "labels.csv")
        last = said[-1].get("after", {})
        assert {name: found.get(name) for name in confirmed if name not in last} == {
            name: label for name, label in confirmed.items() if name not in last
        }
        journal = Journal(root / "labels.csv")
        journal.adopt([f"{row:03d}.png" for row in range(5000)], root, {})
        now = {name: one.label for name, one in journal.said.items()}
        assert {name: now[name] for name in confirmed if name not in last} == {
            name: label for name, label in confirmed.items() if name not in last
        }
        assert {name: one["label"] for name, one in last.items()}.items() <= now.items()
        assert len(now) <= len(confirmed) + 1  # the answer that was being written
        for name in last:
            if name in confirmed and confirmed[name] != now[name]:
                assert now[name] == "ant"  # the correction that was being written
        confirmed |= {name: str(label) for name, label in now.items()}
        journal.history.write_bytes(history)  # as it was: the next process finishes it
        journal.close()


def test_no_confirmed_answer_is_lost_in_three_kills(tmp_path: Path) -> None:
    killed(tmp_path, 3, support.answering.__file__)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("script", [support.answering.__file__, support.labeling.__file__], ids=["journal", "session"])
def test_no_confirmed_answer_is_lost_in_25_kills(tmp_path: Path, script: str) -> None:
    killed(tmp_path, 25, script)
