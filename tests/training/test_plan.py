from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tutelage.config import resolve
from tutelage.core.errors import ConfigError
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import pixel_statistics
from tutelage.run.build import build_predictor
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.recorder import take_checkpoint
from tutelage.training.plan import TRIAL_LENGTH, plan_steps
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


def test_the_steps_that_were_measured_leave_no_trace(training: Training) -> None:
    before = {n: t.detach().clone() for n, t in take_checkpoint(training, 0, Window()).tensors.items()}
    assert plan_steps(training, 3.0, evaluation=0.0) >= 10
    after = take_checkpoint(training, 0, Window()).tensors
    assert before.keys() == after.keys()
    assert any("momentum_buffer" in name for name in before)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_time_is_kept_for_evaluations_and_for_the_final_scores(training: Training) -> None:
    with pytest.raises(ConfigError, match=r"an evaluation 0\.20 s and the final scores 0\.00 s; at least 10 steps"):
        plan_steps(training, 3.0, evaluation=0.2)  # twenty of them
    with pytest.raises(ConfigError, match=r"train\.budget: 0\.0 s is left .*the final scores 3\.00 s"):
        plan_steps(training, 3.0, evaluation=0.0, closing=3.0)
    assert plan_steps(training, 3.0, evaluation=0.2, eval_every=10_000) >= 10
