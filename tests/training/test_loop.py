from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch

from tutelage.config import resolve
from tutelage.core.errors import Interrupted
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import pixel_statistics
from tutelage.run.build import build_predictor
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.training.health import Health
from tutelage.training.loop import fit, run_step
from tutelage.training.signals import StopFlag
from tutelage.training.state import Training
from tutelage.training.window import Window


class Diary:
    """A recorder that keeps all entries, and raises a signal at one of them."""

    def __init__(self, *, signal_at: tuple[str, int] | None = None, evaluated: bool = True) -> None:
        self.entries: list[tuple[str, int]] = []
        self.means: list[dict[str, float]] = []
        self.signal_at, self.evaluated = signal_at, evaluated

    def note(self, what: str, done: int) -> None:
        self.entries.append((what, done))
        if (what, done) == self.signal_at:
            signal.raise_signal(signal.SIGTERM)

    def tick(self, done: int) -> None:
        self.note("step", done)

    def log(self, done: int, means: Mapping[str, float]) -> None:
        self.means.append(dict(means))
        self.note("log", done)

    def evaluate(self, done: int) -> None:
        self.note("evaluate", done)

    def was_evaluated(self, done: int) -> bool:
        return self.evaluated

    def save(self, done: int, window: Window) -> None:
        self.note("save", done)


@pytest.fixture
def training() -> Iterator[Training]:
    settings: dict[str, Any] = {"steps": 6, "batch_size": 4, "log_every": 2, "eval_every": 3, "checkpoint_every": 3}
    cfg = resolve(
        {"data.path": "digits", "data.label_count": 40, "method.name": "mean-teacher", "network.name": "wrn-10-1"}
        | {f"train.{name}": value for name, value in settings.items()}
    )
    data = load_images(cfg.data, seed=0)
    student = build_predictor(cfg, num_classes=10, channels=1, image_size=8)
    made = build_training(
        cfg, data, Inputs(data.train.images, pixel_statistics(data.train.images)), torch.device("cpu"), student
    )
    yield made
    made.loader.close()


def run(training: Training, diary: Diary, start: int = 0) -> list[tuple[str, int]]:
    with StopFlag() as stop:
        fit(training, diary, stop, start=start)
    return diary.entries


def test_each_step_is_logged_then_evaluated_then_saved(training: Training) -> None:
    assert run(training, Diary()) == [
        ("step", 1),
        ("step", 2),
        ("log", 2),
        ("step", 3),
        ("evaluate", 3),
        ("save", 3),
        ("step", 4),
        ("log", 4),
        ("step", 5),
        ("step", 6),
        ("log", 6),
        ("evaluate", 6),
        ("save", 6),
    ]


def test_each_step_has_random_numbers_of_its_own_whatever_came_before(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[float] = []
    forward = training.forward

    def drawing(batch: Any, t: Any) -> Any:
        drawn.append(float(torch.rand(())))
        return forward(batch, t)

    monkeypatch.setattr(training, "forward", drawing)
    training.method.train()
    for step in (0, 1, 2, 1):
        torch.rand(step + 3)
        run_step(training, step, Health(training.device))
    assert len(set(drawn)) == 3 and drawn[1] == drawn[3]


def test_the_teacher_counts_steps_from_one(training: Training) -> None:
    """In warm-up, it is the plain mean of its start and all students: after one step, both count by half."""
    teacher = training.method.teacher
    assert teacher is not None and teacher.warmup and teacher.start_weight == 1
    teacher.decay = 0.99  # that of six steps is 0
    before = {name: value.clone() for name, value in training.method.student.named_parameters()}
    training.method.train()
    run_step(training, 0, Health(training.device))
    weights = dict(teacher.network.named_parameters())
    moved = 0.0
    for name, value in training.method.student.named_parameters():
        torch.testing.assert_close(weights[name], (before[name] + value.detach()) / 2)
        moved += float((value - before[name]).detach().abs().sum())
    assert moved > 1e-3


@pytest.mark.parametrize(
    ("signal_at", "last"),
    [
        (("step", 1), [("step", 1), ("save", 1)]),
        (("step", 3), [("step", 3), ("save", 3)]),  # the evaluation is made up for on resume
        (("evaluate", 3), [("evaluate", 3), ("save", 3)]),
        (("save", 3), [("save", 3), ("step", 4), ("log", 4), ("save", 4)]),
        (("log", 4), [("log", 4), ("step", 5), ("save", 5)]),
        (("step", 6), [("step", 6), ("log", 6), ("save", 6)]),
    ],
)
def test_a_signal_is_obeyed_after_at_most_one_step_and_that_is_saved(
    signal_at: tuple[str, int], last: list[tuple[str, int]], training: Training
) -> None:
    diary = Diary(signal_at=signal_at)
    with pytest.raises(Interrupted, match=f"stopped after step {last[-1][1]} of 6, which is saved") as stopped:
        run(training, diary)
    assert stopped.value.exit_code == 143
    assert diary.entries[-len(last) :] == last


def test_an_evaluation_that_a_signal_prevented_is_made_up_for_before_the_next_step(training: Training) -> None:
    assert run(training, Diary(evaluated=False), start=3)[:2] == [("evaluate", 3), ("step", 4)]
    assert run(training, Diary(evaluated=True), start=3)[0] == ("step", 4)


def test_a_signal_during_that_evaluation_stops_there_so_that_it_is_made_up_for_once_more(training: Training) -> None:
    diary = Diary(evaluated=False, signal_at=("evaluate", 3))
    with pytest.raises(Interrupted, match="stopped after step 3 of 6"):
        run(training, diary, start=3)
    assert diary.entries == [("evaluate", 3)]


def test_a_log_line_holds_the_averages_since_the_last_one(training: Training) -> None:
    diary = Diary()
    run(training, diary)
    assert len(diary.means) == 3
    assert diary.means[0].keys() == {"loss", "unlabeled_loss", "supervised", "consistency", "consistency_weight"}
    window = Window()
    for loss in (1.0, 2.0, 6.0):
        window.add({"loss": torch.tensor(loss), "weight": loss}, torch.device("cpu"))
    assert window.of_all_ranks().of_this_rank(torch.device("cpu")).means() == {"loss": 3.0, "weight": 3.0}
    assert window.means() == {"loss": 3.0, "weight": 3.0}
    assert window.means() == {}
