"""A session: what it returns, and that it is the same after a restart."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.labeling import CLASSES, planted_pile
from tutelage.core.errors import ConfigError, DataError, RunError
from tutelage.curation.labeling.journal import Journal
from tutelage.curation.labeling.session import LabelingSession


def started(root: Path, classes: tuple[str, ...] = CLASSES) -> tuple[LabelingSession, list[str]]:
    pile, truth = planted_pile(root)
    return LabelingSession(pile, Journal(root / "labels.csv"), classes=classes), truth


@pytest.fixture(autouse=True)
def closing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sessions that a test leaves open, since it failed, are closed, so that only the failure is reported."""
    made: list[LabelingSession] = []
    begin = LabelingSession.__init__

    def remembered(self: LabelingSession, *given: Any, **more: Any) -> None:
        begin(self, *given, **more)
        made.append(self)

    monkeypatch.setattr(LabelingSession, "__init__", remembered)
    yield
    for session in made:
        session.close()


def answer_questions(session: LabelingSession, truth: list[str], count: int) -> None:
    for _ in range(count):
        asked = session.next()
        assert asked is not None
        session.answer(asked["index"], truth[asked["index"]])


def without_version(state: dict) -> dict:
    return {name: value for name, value in state.items() if name != "version"}


def test_a_few_answers_sort_the_pile_and_the_state_says_so(tmp_path: Path) -> None:
    session, truth = started(tmp_path)
    first = session.state()
    assert first["images"] == 150 and first["labeled"] == first["settled"] == 0 and first["estimate"] is None
    assert [one["key"] for one in first["classes"]] == ["1", "2", "3"] and not first["last"]
    answer_questions(session, truth, 12)
    state = session.state()
    assert json.loads(json.dumps(state)) == state
    assert state["labeled"] == 12 and state["version"] == first["version"] + 12 and state["last"]
    assert [one["human"] + one["model"] for one in state["classes"]] == [60, 50, 40]
    assert state["settled"] > 80 and state["estimate"] is None and state["confused"] == []
    answer_questions(session, truth, 13)
    estimate = session.state()["estimate"]
    assert (estimate["accuracy"], estimate["high"], estimate["labels"]) == (1.0, 1.0, 6) and 0.4 < estimate["low"] < 0.8
    session.close()


def test_the_first_questions_reach_every_cluster(tmp_path: Path) -> None:
    session, truth = started(tmp_path, classes=())
    for name in CLASSES:
        session.add_class(name)
    answer_questions(session, truth, 10)
    assert {one["name"] for one in session.state()["classes"] if one["human"]} == set(CLASSES)
    session.close()


def test_next_after_an_image_is_another_one(tmp_path: Path) -> None:
    session, _ = started(tmp_path)
    first = session.next()
    assert first is not None
    session.answer_all([(row, "ant") for row in range(60) if row != first["index"]])
    first = session.next()
    assert first is not None
    second = session.next(after=first["index"])
    assert second is not None and second["index"] != first["index"]
    assert session.next(after=149 if first["index"] != 149 else 148) is not None
    session.close()


def test_every_fifth_image_is_drawn_at_random_also_if_the_next_one_is_asked_for_ahead(tmp_path: Path) -> None:
    session, truth = started(tmp_path)
    shown, whys = session.next(), []
    for _ in range(40):
        assert shown is not None
        whys.append("drawn at random" in shown["why"])
        ahead = session.next(after=shown["index"])  # before the answer, as the page does
        session.answer(shown["index"], truth[shown["index"]])
        shown = ahead
    assert [k for k, random in enumerate(whys) if random] == [4, 9, 14, 19, 24, 29, 34, 39]
    session.close()


def test_an_image_with_an_answer_is_not_asked_about_again(tmp_path: Path) -> None:
    session, truth = started(tmp_path)
    asked = set()
    for number in range(150):
        found = session.next()
        assert found is not None and found["index"] not in asked
        asked.add(found["index"])
        session.answer(found["index"], None if number % 10 == 0 else truth[found["index"]])
    state = session.state()
    assert session.next() is None and state["asking"] == "every image has an answer"
    assert state["unsure"] == 15 and state["labeled"] == 135 and state["estimate"] is None
    session.close()


def test_a_group_is_sorted_and_confirmed_in_one_step(tmp_path: Path) -> None:
    session, truth = started(tmp_path)
    answer_questions(session, truth, 12)
    before = session.state()
    group = session.group("bee", count=20)
    confidences = [item["confidence"] for item in group["items"]]
    assert group["class"] == "bee" and group["total"] == before["classes"][1]["model"] and len(confidences) == 20
    assert confidences == sorted(confidences, reverse=True)
    assert session.group("bee", start=20)["items"][0]["confidence"] <= confidences[-1]
    kept, out = group["items"][:-1], group["items"][-1]
    state = session.answer_all([(item["index"], "bee") for item in kept], rejected=[(out["index"], "bee")])
    assert state["labeled"] == before["labeled"] + 19
    assert session.items([out["index"]])[0]["guess"] != "bee"
    undone = session.undo()
    assert undone["index"] is None and without_version(undone["state"]) == without_version(before)
    assert session.items([out["index"]])[0]["guess"] == "bee"
    session.close()


def test_an_image_that_is_of_no_known_class_has_no_guess(tmp_path: Path) -> None:
    session, truth = started(tmp_path)
    answer_questions(session, truth, 12)
    row = next(item["index"] for item in session.group("bee")["items"])
    state = session.answer_all([], rejected=[(row, name) for name in CLASSES])
    found = session.items([row])[0]
    assert found["guess"] is None and found["confidence"] == 0 and found["by"] is None
    assert sum(one["human"] + one["model"] for one in state["classes"]) == 149
    session.close()


def test_a_restart_finds_everything_as_it_was_and_undoes_the_last_answer(tmp_path: Path) -> None:
    session, truth = started(tmp_path, classes=("cat", "bee"))
    session.add_class("ant")
    answer_questions(session, truth, 11)
    session.answer(0, None)
    before, asked = session.state(), session.next()
    session.close()
    session, _ = started(tmp_path, classes=())
    assert without_version(session.state()) == without_version(before) and session.next() == asked
    assert [one["name"] for one in before["classes"]] == ["cat", "bee", "ant"]
    undone = session.undo()
    assert undone["index"] == 0 and undone["state"]["unsure"] == 0 and undone["state"]["labeled"] == 11
    session.close()


def test_labels_of_the_pile_count_and_those_of_a_model_do_not(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label,by\n000.png,ant,human\n070.png,bee,model\n")
    session, _ = started(tmp_path)
    assert session.state()["labeled"] == 1
    assert [item["by"] for item in session.items([0, 70])] == ["human", None]
    session.close()


def test_wrong_arguments_are_errors_and_change_nothing(tmp_path: Path) -> None:
    session, _ = started(tmp_path)
    before = session.state()
    for index in (-1, 150, "0", 1.0, True, None):
        with pytest.raises(ConfigError, match=r"expected the index of an image, 0\.\.149"):
            session.answer(index, "ant")  # type: ignore[arg-type]
        with pytest.raises(ConfigError):
            session.picture(index, 160)  # type: ignore[arg-type]
    for label in ("dog", "", 3, ["ant"]):
        with pytest.raises(ConfigError, match="is not a class; known: ant, bee, cat"):
            session.answer_all([(0, "ant"), (1, label)])  # type: ignore[list-item]
    for start, count in ((-1, 5), (0, 0), (0, 1001), ("a", 3)):
        with pytest.raises(ConfigError):
            session.group("ant", start, count)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="side"):
        session.picture(0, 1601)
    for name in ("", " ", "Ant", "=cmd", "a\nb", "x" * 101):
        with pytest.raises(ConfigError):
            session.add_class(name)
    with pytest.raises(RunError, match="no answer to undo"):
        session.undo()
    assert session.state() == before and not (tmp_path / "labels.csv").exists()
    session.close()


def test_answers_from_many_threads_are_all_kept(tmp_path: Path) -> None:
    session, truth = started(tmp_path)
    threads = [
        threading.Thread(target=lambda k=k: [session.answer(row, truth[row]) for row in range(k, 24, 4)])  # type: ignore[misc]
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert session.state()["labeled"] == 24
    session.close()
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 25


def test_the_map_has_a_place_for_every_image(tmp_path: Path) -> None:
    session, truth = started(tmp_path)
    answer_questions(session, truth, 12)
    found = session.map()
    assert {len(column) for column in found.values()} == {150}
    x, y = np.array(found["x"]), np.array(found["y"])
    assert x.min() == y.min() == 0 and x.max() == y.max() == 1
    assert [CLASSES[k] for k in found["class"]] == truth and sum(found["labeled"]) == 12
    session.close()


def test_pictures_are_upright_jpegs_of_the_size_that_is_asked_for(tmp_path: Path) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 600, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    image.save(tmp_path / "000.png", exif=exif)
    image.convert("RGBA").save(tmp_path / "001.png")
    (tmp_path / "002.png").write_bytes(b"no image")
    session, _ = started(tmp_path)
    sizes = {}
    for row, side in ((0, 160), (0, 500), (0, 1600), (1, 160)):
        with Image.open(io.BytesIO(session.picture(row, side))) as made:
            assert made.format == "JPEG" and made.mode == "RGB"
            sizes[row, side] = made.size
    assert sizes == {(0, 160): (80, 160), (0, 500): (250, 500), (0, 1600): (300, 600), (1, 160): (160, 80)}
    for row in (2, 3):
        with pytest.raises(DataError, match=f"00{row}.png"):
            session.picture(row, 160)
    session.close()
