"""A training in the background of a session."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from support.pictures import pictures
from tutelage.core.errors import ConfigError, RunError
from tutelage.curation.labeling.journal import Journal
from tutelage.curation.labeling.session import LabelingSession
from tutelage.curation.pile import Pile, gather

QUICK = {
    "method": "pseudo-label",
    "preset": "none",
    "network": "small",
    "steps": 4,
    "batch_size": 4,
    "workers": 1,
    "device": "cpu",
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """24 pictures of three kinds, of 16 pixels."""
    root = tmp_path / "photos"
    root.mkdir()
    for number, image in enumerate(pictures(24, 0)[0][:, :16, :16]):
        Image.fromarray(image).save(root / f"{number:02d}.png")
    return root


@pytest.fixture
def session(photos: Path) -> Iterator[LabelingSession]:
    """A session with half of the pictures labeled."""
    made = started(photos)
    yield made
    made.close()


def started(photos: Path) -> LabelingSession:
    def gathered(run: Path | None = None) -> Pile:
        return gather({"data.path": str(photos)}, run=run, console=Console(quiet=True))

    session = LabelingSession(
        gathered(),
        Journal(photos.parent / "labels.csv"),
        classes=("red", "green", "blue"),
        data=str(photos),
        gather=gathered,
    )
    session.answer_all([(row, ("red", "green", "blue")[row % 3]) for row in range(12)])
    return session


def ended(session: LabelingSession) -> dict:
    for _ in range(600):
        state = session.state()
        if state["training"]["done"] or state["training"]["failed"]:
            return state
        time.sleep(0.2)
    raise AssertionError(state["training"])


@pytest.mark.long
def test_a_training_in_the_background_serves_the_next_questions(photos: Path, session: LabelingSession) -> None:
    before = session.items(range(24))
    state = session.start_training(photos.parent / "run", QUICK)
    assert state["training"]["message"] == "getting ready" and not state["training"]["done"]
    with pytest.raises(RunError, match="a training is at work"):
        session.start_training(photos.parent / "other", QUICK)
    session.answer(12, "red")  # answers go on
    training = ended(session)["training"]
    assert not training["failed"], training["message"]
    assert training == {"step": 4, "total": 4, "message": training["message"], "done": True, "failed": False}
    assert training["message"].startswith("finished: no labels were left to score it on. The run is ")
    assert "run/report.html" in training["message"] and (photos.parent / "run" / "result.json").exists()
    assert session.state()["version"] > state["version"] + 1  # the features of the run are in use
    now = session.items(range(24))
    assert [one["confidence"] for one in now] != [one["confidence"] for one in before]


@pytest.mark.long
def test_a_training_that_fails_says_why(photos: Path, session: LabelingSession) -> None:
    session.start_training(photos.parent / "run", QUICK | {"method": "none-such"})
    training = ended(session)["training"]
    assert (
        training["failed"]
        and not training["done"]
        and training["message"].startswith("training failed: unknown method 'none-such'")
    )


@pytest.mark.long
def test_closing_a_session_ends_its_training(photos: Path, session: LabelingSession) -> None:
    session.start_training(photos.parent / "run", QUICK | {"steps": 100_000})
    begin = time.monotonic()
    session.close()
    assert time.monotonic() - begin < 60
    assert session.state()["training"]["failed"]


def test_a_training_needs_a_source_and_a_new_folder(photos: Path, session: LabelingSession) -> None:
    (photos.parent / "run").mkdir()
    with pytest.raises(RunError, match="run exists"):
        session.start_training(photos.parent / "run")
    with pytest.raises(RunError, match="there is no folder"):
        session.start_training(photos.parent / "none" / "run")
    with pytest.raises(ConfigError, match="expected a name of a setting"):
        session.start_training(photos.parent / "new", {"steps=3 --out": 4})
    session.close()
    bare = LabelingSession(session.pile, Journal(photos.parent / "labels.csv"))
    with pytest.raises(ConfigError, match="does not know the source"):
        bare.start_training(photos.parent / "new")
    bare.close()
    assert not (photos.parent / "new.log").exists()


@pytest.mark.long
def test_a_run_that_cannot_be_used_ends_the_training_with_the_reason(
    photos: Path, session: LabelingSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(run: Path) -> None:
        raise ValueError("no features")

    monkeypatch.setattr(session, "_use", broken)
    session.start_training(photos.parent / "run", QUICK)
    training = ended(session)["training"]
    assert training["failed"] and "cannot be used for the next questions: no features" in training["message"]
    session.start_training(photos.parent / "again", QUICK)  # it does not count as being at work
    assert (photos.parent / "run" / "result.json").exists()
