from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tutelage.config import resolve
from tutelage.core.batch import StepOutput
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import pixel_statistics
from tutelage.run.build import build_predictor
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.recorder import take_checkpoint
from tutelage.training import plan
from tutelage.training.health import Health
from tutelage.training.loop import run_step
from tutelage.training.plan import TRIAL_LENGTH, step_time
from tutelage.training.state import Training
from tutelage.training.window import Window


@pytest.fixture
def training() -> Iterator[Training]:
    given = {
        "data.path": "digits",
        "data.label_count": 40,
        "method.name": "mean-teacher",
        "network.name": "wrn-10-1",
        "train.batch_size": 4,
    }
    cfg = resolve({**given, "train.workers": 0, "train.budget": "1m"})
    data = load_images(cfg.data, seed=0)
    student = build_predictor(cfg, num_classes=10, channels=1, image_size=8)
    inputs = Inputs(data.train.images, pixel_statistics(data.train.images))
    made = build_training(cfg, data, inputs, torch.device("cpu"), student, steps=TRIAL_LENGTH)
    yield made
    made.loader.close()


class Stopwatch:
    """A clock that moves on only in the steps, the first of which takes `first` seconds and each other `later`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, first: float, later: float) -> None:
        self.now, self.first, self.later = 0.0, first, later
        self.taken: list[int] = []
        monkeypatch.setattr(plan, "run_step", self.step)

    def __call__(self) -> float:
        return self.now

    def step(self, training: Training, step: int, health: Health) -> StepOutput:
        self.now += self.later if self.taken else self.first
        self.taken.append(step)
        return run_step(training, step, health)


def test_the_steps_that_were_measured_leave_no_trace(training: Training) -> None:
    before = {n: t.detach().clone() for n, t in take_checkpoint(training, 0, Window()).tensors.items()}
    assert step_time(training, 0.3) > 0
    after = take_checkpoint(training, 0, Window()).tensors
    assert before.keys() == after.keys()
    assert any("momentum_buffer" in name for name in before)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_step_that_takes_longer_than_timing_may_is_not_repeated(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Stopwatch(monkeypatch, first=10.0, later=10.0)
    assert step_time(training, 6.0, clock=watch) == pytest.approx(10.0)
    assert watch.taken == [0]


@pytest.mark.parametrize(("patience", "expected"), [(25.0, 4.0), (19.0, 10.0)])
def test_a_slow_first_step_is_followed_by_another_where_a_tenth_of_the_budget_allows_two(
    patience: float, expected: float, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Stopwatch(monkeypatch, first=10.0, later=4.0)
    assert step_time(training, 6.0, patience=patience, clock=watch) == pytest.approx(expected)
    assert watch.taken == ([0, 1] if patience >= 20.0 else [0])


@pytest.mark.parametrize(("seconds", "steps"), [(4.5, 2), (9.0, 4), (30.0, 15)])
def test_timing_ends_before_a_step_that_would_not_fit(
    training: Training, monkeypatch: pytest.MonkeyPatch, seconds: float, steps: int
) -> None:
    watch = Stopwatch(monkeypatch, first=2.0, later=2.0)
    assert step_time(training, seconds, clock=watch) == pytest.approx(2.0)
    assert watch.now <= seconds
    assert watch.taken == list(range(steps))


def test_the_first_step_counts_only_where_it_is_the_only_one(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert step_time(training, 12.0, clock=Stopwatch(monkeypatch, first=5.0, later=1.0)) == pytest.approx(1.0)
    assert step_time(training, 7.0, clock=Stopwatch(monkeypatch, first=5.0, later=1.0)) == pytest.approx(5.0)
