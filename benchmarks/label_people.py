"""Piles to label, and a person who labels one without a browser."""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tutelage.core.files import write_json
from tutelage.curation.labeling.journal import Journal
from tutelage.curation.labeling.session import LabelingSession
from tutelage.curation.pile import Pile

WRONG, PAGE, POOL = 0.02, 60, 5000


def flat_pile(name: str, data: Path, out: Path) -> tuple[Path, dict[str, str]]:
    """A folder of all images of a set, in random order, and the class of each file."""
    root, told = out / name, out / f"{name}.json"
    if not told.exists():
        root.mkdir(parents=True, exist_ok=True)
        found = list(_shards(data / name) if name == "cifar10" else _files(data / "photos" / name))
        order = np.random.default_rng(0).permutation(len(found))[: POOL if name == "cifar10" else None]
        truth = {}
        for number, row in enumerate(order):
            label, content = found[row]
            file = root / f"{number:05d}.jpg"
            file.write_bytes(content)
            truth[file.name] = label
        write_json(told, truth)
    return root, json.loads(told.read_text())


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path for path in root.rglob("*") if path.suffix in (".jpg", ".jpeg")):
        yield file.parent.name, file.read_bytes()


def _shards(root: Path) -> Iterator[tuple[str, bytes]]:
    classes = json.loads((root / "classes.json").read_text())
    for shard in sorted(root.glob("train-*")):
        with tarfile.open(shard) as tar:
            parts: dict[str, dict[str, bytes]] = {}
            for member in tar:
                stem, _, kind = member.name.partition(".")
                parts.setdefault(stem, {})[kind] = tar.extractfile(member).read()  # type: ignore[union-attr]
        for stem in sorted(parts):
            yield classes[int(parts[stem]["cls"])], parts[stem]["jpg"]


class Person:
    """An oracle whose presses sometimes go wrong; counts them.

    Args:
        truth: the class of each row.
    """

    def __init__(self, session: LabelingSession, truth: list[str], *, seed: int) -> None:
        self.session, self.truth, self.draw = session, np.array(truth), np.random.default_rng(seed)
        self.classes = sorted(set(truth))
        self.presses = 0
        self.curve: list[tuple[int, float, int, float]] = []  # presses, pool accuracy, settled, right among these
        self.estimates: list[tuple[int, float, float, float, float]] = []  # presses, accuracy, low, high, truth

    def slips(self) -> bool:
        """One press; whether it goes wrong."""
        self.presses += 1
        return bool(self.draw.random() < WRONG)

    def key(self, row: int) -> str:
        """The class that is pressed for an image."""
        truth = str(self.truth[row])
        return str(self.draw.choice([k for k in self.classes if k != truth])) if self.slips() else truth

    def answer(self) -> bool:
        """Answer a question; False if there is none."""
        asked = self.session.next()
        if asked is None:
            return False
        self.session.answer(asked["index"], self.key(asked["index"]))
        self.note()
        return True

    def page(self) -> bool:
        """Go through a page of the largest group; False if no class has unlabeled images."""
        largest = max(self.session.state()["classes"], key=lambda one: one["model"])
        if not largest["model"]:
            return False
        name = largest["name"]
        rows = [item["index"] for item in self.session.group(name, count=PAGE)["items"]]
        clicked = set()
        for row in rows:
            if self.truth[row] != name:
                clicked.add(int(self.draw.choice(rows)) if self.slips() else row)
        if self.slips():
            clicked = set()
        kept = [(row, name) for row in rows if row not in clicked]
        self.session.answer_all(kept, rejected=[(row, name) for row in sorted(clicked)])
        self.note()
        return True

    def note(self) -> None:
        """Write down how things stand."""
        items = self.session.items(range(len(self.truth)))
        told = np.array([item["label"] or item["guess"] or "" for item in items])
        state, settled = self.session.state(), self.session.settled
        right = told == self.truth
        self.curve.append(
            (self.presses, float(right.mean()), state["settled"], float(right[settled].mean()) if len(settled) else 1.0)
        )
        known = np.array([item["label"] is not None for item in items])
        if (found := state["estimate"]) is not None and not known.all():
            share = float(right[~known].mean())
            self.estimates.append((self.presses, found["accuracy"], found["low"], found["high"], share))


def simulate(pile: Pile, truth: list[str], kind: str, marks: tuple[int, ...], seed: int) -> dict[str, Any]:
    """The curve of a person on a pile."""
    with tempfile.TemporaryDirectory() as folder:
        session = LabelingSession(pile, Journal(Path(folder) / "labels.csv"), classes=sorted(set(truth)), seed=seed)
        person = Person(session, truth, seed=seed)
        if kind == "random order":
            order = np.random.default_rng(100 + seed).permutation(len(pile)).tolist()
            for before, mark in zip((0, *marks), marks, strict=False):  # what is learned does not depend on the order
                session.answer_all([(row, person.key(row)) for row in order[before:mark]])
                person.note()
        turn = 0
        while kind != "random order" and person.presses < marks[-1]:
            typical = "typical" in session.state()["asking"]
            done = person.page() if kind == "groups" and not typical and turn % 3 == 0 else person.answer()
            turn += not typical
            if not done and not person.answer():
                break
        session.close()
    return {"curve": person.curve, "estimates": person.estimates}
