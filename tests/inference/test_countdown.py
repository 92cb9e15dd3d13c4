"""Lines that say how far a long prediction is."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tutelage.data.images.given import list_given
from tutelage.inference import countdown
from tutelage.inference.countdown import Countdown
from tutelage.inference.images.kept_blocks import KeptBlocks
from tutelage.inference.images.passes import ImagePass
from tutelage.inference.images.predict import write_predictions


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test sets."""
    now = [100.0]
    monkeypatch.setattr(countdown.time, "monotonic", lambda: now[0])
    return now


def test_lines_come_now_and_then_and_tell_the_time_left(clock: list[float]) -> None:
    said: list[str] = []
    line = Countdown(10_000, "images", said.append)
    for seconds, done in ((1, 100), (5, 500), (6, 600), (19, 1900), (20, 2000), (100, 10_000)):
        clock[0] = 100.0 + seconds
        line.done(done)
    assert said == ["- 500 of 10,000 images, 1:35 left", "- 2,000 of 10,000 images, 1:20 left"]


def test_short_passes_say_nothing(clock: list[float]) -> None:
    line = Countdown(3, "images", lambda text: pytest.fail(text))
    for done in (0, 1, 2, 3):
        line.done(done)


def test_predictions_say_it(clock: list[float], tmp_path: Path) -> None:
    class Slow:
        classes = ("cat", "dog")
        task = None

        def image_pass(self, *, workers: int = 2, features: bool = False) -> ImagePass:
            return ImagePass(lambda items: iter([np.zeros((1, 2, 2), np.uint8)] * len(items)), self.network, str)

        def network(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            clock[0] += 0.05 * len(images)
            return np.tile(np.float32([0.2, 0.8]), (len(images), 1))

    said: list[str] = []
    items = list_given(np.zeros((600, 8, 8, 3), np.uint8))
    out = tmp_path / "p.csv"
    write_predictions(Slow(), items, out, KeptBlocks(out), tell=said.append)  # type: ignore[arg-type]
    assert re.fullmatch(r"- 256 of 600 images, 0:[123]\d left", said[0])  # the next block is at work already
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 601
