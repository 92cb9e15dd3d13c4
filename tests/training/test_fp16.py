"""fp16 with its scaler: on the CPU, where no command trains in fp16 but the same code runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from tutelage.config import resolve
from tutelage.core.batch import StepOutput
from tutelage.core.errors import NonFiniteError
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import pixel_statistics
from tutelage.run.build import build_predictor
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.recorder import restore_checkpoint, take_checkpoint
from tutelage.training.checkpoint import optimizer_tensors
from tutelage.training.finiteness import MOST_SKIPPED
from tutelage.training.health import Health
from tutelage.training.loop import fit, run_step
from tutelage.training.signals import StopFlag
from tutelage.training.state import Training
from tutelage.training.window import Window


class Silent:
    """A recorder that writes nothing."""

    def tick(self, done: int) -> None: ...

    def log(self, done: int, means: Mapping[str, float]) -> None: ...

    def evaluate(self, done: int) -> None: ...

    def was_evaluated(self, done: int) -> bool:
        return True

    def save(self, done: int, window: Window) -> None: ...


def build(**settings: Any) -> Training:
    given = {
        "data.path": "digits",
        "data.label_count": 40,
        "method.name": "mean-teacher",
        "network.name": "wrn-10-1",
        "train.batch_size": 4,
    }
    lengths = {"train.steps": 100, "train.log_every": 10, "train.workers": 0, "train.eval_every": 1000}
    cfg = resolve(given | lengths | settings)
    data = load_images(cfg.data, seed=0)
    student = build_predictor(cfg, num_classes=10, channels=1, image_size=8)
    made = build_training(
        cfg, data, Inputs(data.train.images, pixel_statistics(data.train.images)), torch.device("cpu"), student
    )
    made = dataclasses.replace(made, precision=torch.float16)
    made.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)  # that of its own would overflow in the first steps
    return made


@pytest.fixture
def training() -> Iterator[Training]:
    made = build()
    made.method.train()
    yield made
    made.loader.close()


def overflow(training: Training, *steps: int) -> None:
    """Let the scaled gradients overflow at some steps."""
    forward = training.method.forward

    def overflowing(batch: Any, t: Any) -> StepOutput:
        out = forward(batch, t)
        if t.step in steps:
            out.loss.register_hook(lambda gradient: gradient * float("inf"))
        return out

    training.method.forward = overflowing  # type: ignore[method-assign]


def learned(training: Training) -> dict[str, Tensor]:
    """Weights of student and teacher, without statistics, and the optimizer's state."""
    tensors = dict(training.method.named_parameters())
    tensors |= optimizer_tensors(training.optimizer)
    return {name: value.detach().clone() for name, value in tensors.items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("at", [0, 2])
def test_an_overflow_costs_its_step_and_half_the_scale_and_nothing_else(at: int, training: Training) -> None:
    overflow(training, at)
    health = Health(training.device)
    for step in range(4):
        before, scale = learned(training), training.scaler.get_scale()
        run_step(training, step, health)
        assert same(before, learned(training)) == (step == at)
        assert training.scaler.get_scale() == (scale / 2 if step == at else scale)
        assert all(bool(value.isfinite().all()) for value in learned(training).values())
    assert health.first_fault() is None
    assert health.skipped() == 0


def test_after_a_fault_no_step_is_taken_though_its_own_gradients_are_finite(training: Training) -> None:
    health = Health(training.device)
    run_step(training, 0, health)
    health.observe(1, {"loss": torch.tensor(float("nan"))})
    before = learned(training)
    for step in (2, 3):
        run_step(training, step, health)
        assert same(before, learned(training))


@pytest.mark.long
def test_a_training_whose_every_step_overflows_stops_with_a_reason(training: Training) -> None:
    overflow(training, *range(5, 100))
    with pytest.raises(NonFiniteError, match=r"training is stuck at step 30: .* the checkpoint of step 0 is good"):
        fit(training, Silent(), StopFlag())


@pytest.mark.long
def test_steps_skipped_in_a_row_stop_a_training_also_where_its_scale_stays(training: Training) -> None:
    training.scaler = torch.amp.GradScaler("cpu", backoff_factor=0.999)
    overflow(training, *range(100))
    with pytest.raises(NonFiniteError, match=f"training is stuck at step {MOST_SKIPPED}"):
        fit(training, Silent(), StopFlag())


def test_a_few_overflows_are_no_alarm(training: Training) -> None:
    overflow(training, 0, 1, 2, 9, 19)
    training.total = 20
    fit(training, Silent(), StopFlag())


@pytest.mark.long
def test_a_resume_from_the_start_or_after_an_overflow_is_exact(training: Training) -> None:
    overflow(training, 0, 3)
    health, states = Health(training.device), []
    for step in range(6):
        states.append(take_checkpoint(training, step, Window()))
        states[-1] = dataclasses.replace(states[-1], tensors={n: t.clone() for n, t in states[-1].tensors.items()})
        run_step(training, step, health)
    for start in (0, 1, 4):
        again = build()
        again.method.train()
        overflow(again, 0, 3)
        restore_checkpoint(again, states[start])
        for step in range(start, 6):
            run_step(again, step, Health(again.device))
        assert same(learned(training), learned(again)), start
        again.loader.close()
