from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tutelage.run.curves import Curves


def points(folder: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_tensorboard_reads_the_points(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "tensorboard", start=0)
    curves.add("training", 5, {"loss": 0.5, "rate": 2.0})
    curves.add("training", 10, {"loss": 0.25})
    curves.close()
    assert points(tmp_path / "tensorboard", "training/loss") == [(5, 0.5), (10, 0.25)]
    assert points(tmp_path / "tensorboard", "training/rate") == [(5, 2.0)]


def test_after_a_resume_the_points_that_are_done_again_are_shown_once(tmp_path: Path) -> None:
    first = Curves(tmp_path, start=0)
    for step in (5, 10, 15):
        first.add("training", step, {"loss": 1.0})
    first.close()
    second = Curves(tmp_path, start=10)
    second.add("training", 15, {"loss": 0.5})
    second.close()
    assert points(tmp_path, "training/loss") == [(5, 1.0), (10, 1.0), (15, 0.5)]
