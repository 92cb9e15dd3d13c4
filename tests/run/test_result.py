from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tutelage.config import resolve
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import pixel_statistics
from tutelage.run.build import build_predictor, build_task
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.result import final_result
from tutelage.training.state import Training


@pytest.fixture(scope="module")
def training() -> Iterator[Training]:
    cfg = resolve(
        {
            "data.path": "digits",
            "data.label_count": 40,
            "network.name": "wrn-10-1",
            "train.steps": 100,
            "method.name": "mean-teacher",
        }
    )
    data = load_images(cfg.data, seed=0)
    student = build_predictor(cfg, num_classes=10, channels=1, image_size=8)
    made = build_training(
        cfg, data, Inputs(data.train.images, pixel_statistics(data.train.images)), torch.device("cpu"), student
    )
    yield made
    made.loader.close()


def late_median(training: Training, steps: list[int]) -> Any:
    """What the result says where the accuracy at each step was a hundredth of it."""
    rows = [{"kind": "validation", "step": step, "teacher": {"accuracy": step / 100}} for step in steps]
    rows += [{"kind": "training", "step": 99, "loss": 0.0}]
    task = build_task(tuple("0123456789"))
    result = final_result(training, task, rows=rows, parts={})
    return result.get("validation_accuracy_late_median")


def test_the_median_is_of_the_evaluations_in_the_last_fifth_of_the_steps(training: Training) -> None:
    assert late_median(training, list(range(5, 101, 5))) == {"evaluations": 4, "value": pytest.approx(0.925)}
    assert late_median(training, [10, 80, 81, 90, 100]) == {"evaluations": 3, "value": 0.9}


def test_the_median_is_of_no_more_than_the_last_20_evaluations(training: Training) -> None:
    training.total = 1000
    assert late_median(training, list(range(2, 1001, 2))) == {"evaluations": 20, "value": pytest.approx(9.81)}


def test_the_median_is_left_out_where_there_are_fewer_than_three(training: Training) -> None:
    for steps in ([], [100], [50, 90, 100], [10, 20, 30, 80]):
        assert late_median(training, steps) is None
