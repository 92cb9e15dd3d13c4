from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

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


def slow_clock(seconds: float) -> Callable[[], float]:
    """A clock that moves on by so much each time it is read."""
    ticks = itertools.count()
    return lambda: seconds * next(ticks)


def steps_taken(training: Training, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps that are run from now on."""
    taken: list[int] = []

    def counted(training: Training, step: int, health: Health) -> StepOutput:
        taken.append(step)
        return run_step(training, step, health)

    monkeypatch.setattr(plan, "run_step", counted)
    return taken


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
    taken = steps_taken(training, monkeypatch)
    assert step_time(training, 6.0, clock=slow_clock(10.0)) == pytest.approx(10.0)
    assert taken == [0]


@pytest.mark.parametrize("seconds", [5.0, 9.0, 30.0])
def test_timing_ends_before_a_step_that_would_not_fit(
    training: Training, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    taken = steps_taken(training, monkeypatch)
    readings: list[float] = []

    def clock() -> float:
        readings.append(float(len(readings)))
        return readings[-1]

    assert step_time(training, seconds, clock=clock) == pytest.approx(1.0)
    assert readings[-1] - readings[0] <= seconds
    assert len(taken) == (seconds - 1) // 2 + (seconds % 2 == 0)


def test_the_first_step_counts_only_where_it_is_the_only_one(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps_taken(training, monkeypatch)
    readings = iter([0.0, 0.0, 5.0, 5.0, 6.0, 6.0, 7.0])  # the first takes 5 s, the others 1 s
    assert step_time(training, 7.5, clock=lambda: next(readings)) == pytest.approx(1.0)
