"""A class is renamed, merged with another one, or removed: in the table, in the history, and back again."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.labeling import CLASSES, planted_pile
from tutelage.core.errors import ConfigError
from tutelage.curation.labeling.journal import Journal
from tutelage.curation.labeling.session import LabelingSession


def started(root: Path, classes: Sequence[str] = CLASSES) -> LabelingSession:
    pile, _ = planted_pile(root)
    return LabelingSession(pile, Journal(root / "labels.csv"), classes=classes)


def names(session: LabelingSession) -> list[str]:
    return [one["name"] for one in session.state()["classes"]]


def labels(session: LabelingSession) -> list[str | None]:
    return [item["label"] for item in session.items([0, 1, 60, 110])]


def table(root: Path) -> dict[str, str]:
    with (root / "labels.csv").open(newline="") as stream:
        return {row["path"]: row["label"] for row in csv.DictReader(stream)}


def answered(root: Path) -> LabelingSession:
    """Two ants, a bee, a cat, and an image that is no ant."""
    session = started(root)
    session.answer_all([(0, "ant"), (1, "ant"), (60, "bee"), (110, "cat")], rejected=[(111, "ant")])
    return session


@pytest.mark.parametrize("restart", [False, True])
def test_a_new_name_keeps_the_key_the_labels_and_what_was_clicked_out(tmp_path: Path, restart: bool) -> None:
    session = answered(tmp_path)
    before = session.items(range(150))
    state = session.change_class("ant", " Ameise ")
    assert [one["key"] for one in state["classes"]] == ["1", "2", "3"] and names(session) == ["Ameise", "bee", "cat"]
    if restart:
        session.close()
        session = started(tmp_path, classes=())
    assert names(session) == ["Ameise", "bee", "cat"] and labels(session) == ["Ameise", "Ameise", "bee", "cat"]
    assert table(tmp_path) == {"000.png": "Ameise", "001.png": "Ameise", "060.png": "bee", "110.png": "cat"}
    now = session.items(range(150))
    renamed = {"ant": "Ameise"}
    assert [one["guess"] for one in now] == [renamed.get(one["guess"], one["guess"]) for one in before]
    session.undo()
    assert names(session) == list(CLASSES) and labels(session) == ["ant", "ant", "bee", "cat"]
    session.close()
    session = started(tmp_path, classes=())
    assert names(session) == list(CLASSES) and labels(session) == ["ant", "ant", "bee", "cat"]
    session.close()


def test_the_name_of_another_class_makes_one_class_of_both(tmp_path: Path) -> None:
    session = answered(tmp_path)
    state = session.change_class("cat", "bee")
    assert [(one["name"], one["key"], one["human"]) for one in state["classes"]] == [("ant", "1", 2), ("bee", "2", 2)]
    assert labels(session) == ["ant", "ant", "bee", "bee"]
    session.add_class("dog")
    session.undo()  # classes that came later stay
    assert names(session) == ["ant", "bee", "cat", "dog"] and labels(session) == ["ant", "ant", "bee", "cat"]
    session.close()


def test_a_class_that_is_removed_takes_its_labels_along(tmp_path: Path) -> None:
    session = answered(tmp_path)
    state = session.change_class("ant", None)
    assert names(session) == ["bee", "cat"] and labels(session)[2:] == ["bee", "cat"]
    assert state["labeled"] == 2 and not any(item["answered"] for item in session.items([0, 1]))
    assert table(tmp_path) == {"060.png": "bee", "110.png": "cat"}
    session.close()
    session = started(tmp_path, classes=())
    assert names(session) == ["bee", "cat"]
    session.undo()
    assert sorted(names(session)) == ["ant", "bee", "cat"] and labels(session) == ["ant", "ant", "bee", "cat"]
    session.close()


def test_the_last_steps_tell_what_was_changed(tmp_path: Path) -> None:
    session = answered(tmp_path)
    session.answer(2, None)
    session.change_class("ant", "bee")
    session.change_class("bee", None)
    session.change_class("cat", "lynx")
    found = [(step["changed"], step["label"], step["images"]) for step in session.state()["last"]]
    assert found == [("cat", "lynx", 1), ("bee", None, 3), ("ant", "bee", 2), (None, None, 1), (None, "ant", 4)]
    assert [step["index"] for step in session.state()["last"]][-2:] == [2, None]
    session.close()


@pytest.mark.parametrize(
    ("name", "new", "message"),
    [
        ("dog", "fox", "'dog' is not a class; known: ant, bee, cat"),
        ("dog", None, "'dog' is not a class"),
        ("ant", "", "a class needs a name"),
        ("ant", "BEE", "there is a class 'bee' already"),
        ("ant", "=1+1", "=1"),
    ],
)
def test_a_change_that_cannot_be_is_refused(tmp_path: Path, name: str, new: str | None, message: str) -> None:
    session = answered(tmp_path)
    before, content = session.state(), (tmp_path / "labels.csv").read_bytes()
    with pytest.raises(ConfigError, match=message):
        session.change_class(name, new)
    assert session.state() == before and (tmp_path / "labels.csv").read_bytes() == content
    session.close()


def test_the_same_name_changes_nothing_and_another_case_does(tmp_path: Path) -> None:
    session = answered(tmp_path)
    size = (tmp_path / "labels.csv.journal").stat().st_size
    session.change_class("ant", "ant")
    assert (tmp_path / "labels.csv.journal").stat().st_size == size
    session.change_class("ant", "Ant")
    assert names(session) == ["Ant", "bee", "cat"]
    session.close()
