"""A session of labeling: the one object that a page talks to. Everything it returns can be written as JSON."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tutelage.core.errors import ConfigError, RunError
from tutelage.curation.labeling.answers import Answers
from tutelage.curation.labeling.belief import Belief, Thinker
from tutelage.curation.labeling.class_changes import class_change
from tutelage.curation.labeling.classes import checked_class
from tutelage.curation.labeling.described import (
    described_group,
    described_item,
    described_points,
    described_state,
    described_step,
)
from tutelage.curation.labeling.export import Kind, export
from tutelage.curation.labeling.journal import Journal
from tutelage.curation.labeling.label_rows import By, Said
from tutelage.curation.labeling.pictures import PilePictures
from tutelage.curation.labeling.places import Places
from tutelage.curation.labeling.sorted_pile import SortedPile
from tutelage.curation.labeling.training import BackgroundTraining
from tutelage.curation.pile import Pile
from tutelage.data.images.items import Files

_STEPS_SHOWN = 5


class LabelingSession:
    """What is known of a pile, and what is asked next. All methods may be called from several threads.

    Each answer is on the disk before the method that takes it returns; see `Journal`. Images are named by their row in
    the pile, `index`. Errors are `ConfigError` for a wrong argument, and `RunError` if a file cannot be written; then
    nothing has changed.

    Args:
        pile: whose labels are taken where the journal says nothing.
        journal: open; `close` closes it.
        classes: further class names, that need no label yet.
        seed: of clusters and of the model.
        data: what `start_training` trains on, as on the command line.
        gather: makes the pile with the features of a run; with it, a finished training serves the next questions.
    """

    def __init__(
        self,
        pile: Pile,
        journal: Journal,
        *,
        classes: Sequence[str] = (),
        seed: int = 0,
        data: str | None = None,
        gather: Callable[[Path], Pile] | None = None,
    ) -> None:
        self.pile, self._journal, self._seed, self._data, self._gather = pile, journal, seed, data, gather
        self._lock = threading.RLock()
        store = pile.items[0].store
        given = {item.name: item.label for item in pile.items if item.label is not None}
        names = [item.name for item in pile.items]
        journal.adopt(names, store.root if isinstance(store, Files) else Path(), given)
        self._answers = Answers(names, [*journal.classes, *pile.classes])
        self._answers.take(journal.said)
        for name in classes:
            if name.strip() not in self._answers.classes:
                self._answers.classes.append(checked_class(name, self._answers.classes))
        journal.name_classes(self._answers.classes)
        self._training: BackgroundTraining | None = None
        self._places = Places(pile.features, seed=seed)
        self._pictures = PilePictures(pile)
        self._thinker, self._version = Thinker(pile, seed=seed), 0
        self._belief: Belief = self._think()

    @property
    def strangers(self) -> list[str]:
        """Paths of rows of the label table that are about no image."""
        return self._journal.strangers

    def close(self) -> None:
        """Stop a training that is at work, and close the journal."""
        if self._training is not None:
            self._training.stop()
        with self._lock:
            self._journal.close()

    def state(self) -> dict[str, Any]:
        """The whole state.

        `version` rises with each change. `images`, `labeled` and `unsure` are counts, the last of answers "not sure".
        `settled` is the number of images without an answer whose class the model is sure of; see `Belief`.
        `classes`: `name`, `key`, `human` (number of labels), `model` (unlabeled images that the model takes for it).
        `estimate`: null with few labels of images drawn at random, else `accuracy`, `low` and `high` (95%), `labels`
        (of such images) and `how`, the share of the model's labels that are right. `confused`: `a`, `b`, `count` of
        labels that a model trained without them got wrong. `asking`: what is asked next and why. `last`: the last
        steps, newest first, which `undo` takes back one by one; see `described_step`.
        `training`: null, or `step`, `total`, `message`, `done`, `failed`.
        """
        with self._lock:
            return {
                "version": self._version,
                **described_state(self._answers, self._belief),
                "last": [described_step(step, self._answers) for step in self._journal.last(_STEPS_SHOWN)],
                "training": None if self._training is None else self._training.status(),
            }

    def next(self, after: int | None = None) -> dict[str, Any] | None:
        """The image to ask about, or the one that comes after `after`: `index`, `name`, `guess`, `confidence`, `why`.

        None if every image has an answer.
        """
        with self._lock:
            answered = self._answers.answered
            waiting = after is not None and not answered[after]
            found = self._belief.questions.following(int(answered.sum()), after, waiting=waiting)
            if found is None:
                return None
            row, why = found
            item = described_item(row, self._answers, self._belief)
            return {key: item[key] for key in ("index", "name", "guess", "confidence")} | {"why": why}

    def answer(self, index: int, label: str | None, *, by: By = "human") -> dict[str, Any]:
        """Label an image, or say that one is not sure (None). The state after it."""
        return self.answer_all([(index, label)], by=by)

    def answer_all(
        self,
        answers: Iterable[tuple[int, str | None]],
        *,
        rejected: Iterable[tuple[int, str]] = (),
        by: By = "human",
    ) -> dict[str, Any]:
        """Label several images in one step, which `undo` takes back as a whole. The state after it.

        Args:
            answers: rows with their labels; None is "not sure".
            rejected: rows, each with a class that it is not of, such as those that were clicked out of a group.
        """
        with self._lock:
            numbers = {
                self._answers.row(index): None if label is None else self._answers.number(label)
                for index, label in answers
            }
            outs = [
                (self._answers.names[self._answers.row(index)], self._answers.classes[self._answers.number(label)])
                for index, label in rejected
            ]
            if numbers or outs:
                rows = {self._answers.names[row]: self._said(row, number, by) for row, number in numbers.items()}
                self._journal.say(rows, outs)
                self._answers.take(rows)
                self._belief = self._think()
            return self.state()

    def undo(self) -> dict[str, Any]:
        """Take the last step back, also one of an earlier session: `state`, and `index` of its image if it is one.

        Raises:
            RunError: there is none.
        """
        with self._lock:
            step = self._journal.undo()
            self._retake()
            self._belief = self._think()
            return {"state": self.state(), "index": described_step(step, self._answers)["index"]}

    def add_class(self, name: str) -> dict[str, Any]:
        """Add a class. The state after it.

        Raises:
            ConfigError: the name is empty or unsafe, or there is such a class.
        """
        with self._lock:
            classes = [*self._answers.classes, checked_class(name, self._answers.classes)]
            self._journal.name_classes(classes, at_once=True)
            self._answers.classes = classes
            self._belief = self._think()
            return self.state()

    def change_class(self, name: str, new: str | None) -> dict[str, Any]:
        """Rename a class, or remove it (None), so that its images have no label; `undo` takes it back. The state after.

        If there is a class of the new name, the images of both are of that one.

        Raises:
            ConfigError: there is no such class, or the new name is empty or unsafe.
        """
        with self._lock:
            self._answers.number(name)
            said, rejected = self._journal.said, self._journal.rejected
            change = class_change(name, new, classes=self._answers.classes, said=said, rejected=rejected)
            if change.classes != self._answers.classes:
                self._journal.say(change.rows, change.rejected, change.classes)
                self._retake()
                self._belief = self._think()
            return self.state()

    def group(self, class_name: str, start: int = 0, count: int = 60) -> dict[str, Any]:
        """Unlabeled images that the model takes for a class, surest first: `class`, `total`, and `items` from `start`.

        An item has `index`, `name` and `confidence`.
        """
        with self._lock:
            number = self._answers.number(class_name)
            if not isinstance(start, int) or not isinstance(count, int) or start < 0 or not 1 <= count <= 1000:
                raise ConfigError(f"expected a start of at least 0 and a count in 1..1000, got {start} and {count}")
            return described_group(number, start, count, self._answers, self._belief)

    def items(self, indexes: Iterable[int]) -> list[dict[str, Any]]:
        """What is known of some images: `index`, `name`, `label`, `by`, `guess`, `confidence`, `answered`."""
        with self._lock:
            return [described_item(self._answers.row(index), self._answers, self._belief) for index in indexes]

    @property
    def settled(self) -> list[int]:
        """The images without an answer whose class the model is sure of; see `state`."""
        with self._lock:
            found: list[int] = np.flatnonzero(self._belief.settled).tolist()
            return found

    def map(self) -> dict[str, Any]:
        """All images in the plane: `x` and `y` in [0, 1], `class` (of the label or the guess, or -1), `confidence`,
        `labeled`. Positions are computed at the first call, which takes a while."""
        places = self._places.found()
        with self._lock:
            return places | described_points(self._answers, self._belief)

    def picture(self, index: int, side: int) -> bytes:
        """An image as JPEG, upright, its longest side at most `side` pixels, in 1..1600.

        Raises:
            DataError: it cannot be read any more.
        """
        return self._pictures(self._answers.row(index), side)

    def start_training(self, run: Path, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Train on the labels in the background, into the folder `run`. The state after it.

        Args:
            settings: further flags of `train` by name, such as {"budget": "2m"}.

        Raises:
            RunError: a training is at work, or the folder exists.
        """
        with self._lock:
            if self._data is None:
                raise ConfigError("this session does not know the source to train on: expected `data`")
            if self._training is not None and self._training.at_work:
                raise RunError("a training is at work")
            self._training = BackgroundTraining(self._data, self._journal.path, run, settings or {}, self._use)
            self._version += 1
            return self.state()

    def export(self, kind: Kind, out: Path, *, links: bool = True, model: bool = True) -> int:
        """Write the sorted pile to `out`; the number of images in it. See `labeling.export`."""
        with self._lock:
            found = SortedPile.of(self.pile.items, self._answers, self._belief, model=model)
        return export(found, kind, out, links=links)

    def _use(self, run: Path) -> None:
        """Go on with the features of a finished run."""
        if self._gather is None:
            return
        pile = self._gather(run)
        if [item.name for item in pile.items] != self._answers.names:
            raise RunError("other images can be read than before")
        thinker = Thinker(pile, seed=self._seed)
        with self._lock:
            self._thinker = thinker
            self._belief = self._think()

    def _retake(self) -> None:
        """Take all answers and classes from the journal."""
        self._answers = Answers(self._answers.names, self._journal.classes)
        self._answers.take(self._journal.said)

    def _think(self) -> Belief:
        self._version += 1
        answers = self._answers
        rejected = answers.known_pairs(self._journal.rejected)
        return self._thinker.think(answers.labels, answers.answered, answers.classes, rejected)

    def _said(self, row: int, number: int | None, by: By) -> Said:
        now, probs = datetime.now(UTC).isoformat(timespec="seconds"), self._belief.probs
        if number is None:
            return Said(None, by, None, now)
        confidence = None if probs is None else round(float(probs[row, number]), 4)
        return Said(self._answers.classes[number], by, confidence, now)
