"""The whole server is killed at random moments while a script answers: what it confirmed stays."""

from __future__ import annotations

import csv
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from support.label_page import CLASSES, write_photos
from support.label_server import Client, serving
from support.starter import Starter

PICTURES = 90
Labels = dict[int, str | None]


class Script:
    """Answers, corrects, confirms groups and takes steps back; knows what must be there.

    Attributes:
        before, after: the labels by index before and after the step that is being sent; the same once it is confirmed.
        steps: confirmed steps that were not taken back, each as the labels before it.
        confirmed: number of steps.
    """

    def __init__(self, draw: np.random.Generator) -> None:
        self.draw, self.confirmed = draw, 0
        self.before: Labels = dict.fromkeys(range(PICTURES))
        self.after = dict(self.before)
        self.steps: list[Labels] = []

    def step(self, client: Client) -> None:
        """One step, which may fail at any moment."""
        kind = self.draw.choice(["answer", "correct", "group", "undo"], p=[0.5, 0.2, 0.15, 0.15])
        known = [index for index, label in self.before.items() if label is not None]
        fresh = [index for index, label in self.before.items() if label is None]
        label = str(self.draw.choice(CLASSES))
        if kind == "undo" and self.steps:
            self._send(client, "undo", {}, self.steps[-1])
            self.steps.pop()
            return
        if kind == "group" and len(fresh) > 5:
            rows = self.draw.choice(fresh, 4, replace=False).tolist()
            body = {"answers": [[row, label, None] for row in rows], "out": [], "class": label}
            changed = dict.fromkeys(rows, label)
        else:
            row = int(self.draw.choice(known if (kind == "correct" and known) or not fresh else fresh))
            body = {"index": row, "label": label, "was": self.before[row]}
            changed = {row: label}
        held = dict(self.before)
        self._send(client, "answers" if "answers" in body else "answer", body, self.before | changed)
        self.steps.append(held)

    def _send(self, client: Client, action: str, body: dict, after: Labels) -> None:
        self.after = dict(after)
        client.ask(f"/api/{action}", body)
        self.before = dict(self.after)
        self.confirmed += 1

    def look(self, client: Client) -> None:
        """After a restart: everything is as before the step that failed, or as after it."""
        wanted = ",".join(map(str, range(PICTURES)))
        found: Labels = {one["index"]: one["label"] for one in client.ask(f"/api/items?indexes={wanted}")}
        assert found in (self.before, self.after)
        self.before, self.steps = found, []  # whether the last step counts is not known where it changed nothing
        names = {one["index"]: one["name"] for one in client.ask(f"/api/items?indexes={wanted}")}
        with Path("labels.csv").open(encoding="utf-8", newline="") as stream:
            rows = {row["path"]: row["label"] for row in csv.DictReader(stream, strict=True)}
        assert rows == {names[index]: label for index, label in found.items() if label is not None}


def survived(starter: Starter, kills: int, seed: int) -> int:
    """Kill the server `kills` times; the number of confirmed steps, all of which were there at the next start."""
    draw = np.random.default_rng(seed)
    script = Script(draw)
    words = ("-m", "tutelage", "label", "photos", "--classes", ",".join(CLASSES), "--no-browser")
    for _ in range(kills):
        process, client = serving(starter, *words)
        if script.confirmed:
            script.look(client)
        begin = time.monotonic()
        for _ in range(int(draw.integers(1, 5))):
            script.step(client)
        usual = (time.monotonic() - begin) / 2
        late = threading.Timer(float(draw.uniform(0.0, usual)), process.kill)  # anywhere in one of the next steps
        late.start()
        try:
            while True:
                script.step(client)
        except OSError:  # it was killed
            pass
        late.join()
        process.communicate()
        assert process.returncode == -9
    process, client = serving(starter, *words)
    script.look(client)
    process.kill()
    process.communicate()
    return script.confirmed


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of pictures, in the working folder."""
    monkeypatch.chdir(tmp_path)
    write_photos(Path("photos"), PICTURES)


@pytest.mark.long
@pytest.mark.usefixtures("photos")
def test_no_confirmed_answer_is_lost_when_the_server_is_killed_four_times(starter: Starter) -> None:
    assert survived(starter, 4, seed=0) >= 4


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("photos")
def test_no_confirmed_answer_is_lost_when_the_server_is_killed_25_times(starter: Starter) -> None:
    assert survived(starter, 25, seed=1) >= 25
