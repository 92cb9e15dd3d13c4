"""What training on scans starts from, what is recommended, and what its time is planned by."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from tutelage import config
from tutelage.build import method_settings
from tutelage.material.scan_defaults import base_preset, with_defaults
from tutelage.methods import METHODS
from tutelage.networks.settings import NetworkName
from tutelage.recommend import recommend_for_scans
from tutelage.tasks.settings import SegmentationConfig
from tutelage.tasks.sliding_window import count_windows, predict_windows
from tutelage.training.plan import EVALUATIONS, LEAST_EVALUATIONS, evaluations_within

SEGMENTERS = [method.name for method in METHODS if "segmentation" in method.tasks]


def resolved(**given: Any) -> config.RunConfig:
    return config.resolve({"data.path": "/scans"} | {name.replace("__", "."): value for name, value in given.items()})


@pytest.mark.parametrize("method", SEGMENTERS)
def test_every_method_for_scans_has_settings_to_start_from(method: str) -> None:
    cfg = with_defaults(resolved(method__name=method), base_preset(method))
    assert cfg.method == method and method_settings(cfg) is not None
    network = NetworkName.parse(cfg.network.name)
    assert network.dense and cfg.scan.patch_size == (48,) and cfg.train.batch_size == 2
    assert cfg.network.deep_supervision == (True if method == "urpc" else None)


def test_what_is_given_wins_over_what_scans_start_from() -> None:
    given = resolved(
        method__name="ua-mt", method__passes=2, network__width=16, train__steps=7, scan__patch_size="96,64,32"
    )
    cfg = with_defaults(given, base_preset("ua-mt"))
    assert (cfg.network.width, cfg.train.steps, cfg.train.budget) == (16, 7, None)
    assert cfg.scan.patch_size == (96, 64, 32) and cfg.method_settings["passes"] == 2
    assert cfg.optimizer.clip_norm == 1.0  # of the preset


def test_a_preset_that_is_named_is_taken_as_it_is() -> None:
    named = config.resolve({"data.path": "/scans"}, preset="ua-mt-la-16")
    assert with_defaults(named, base_preset("ua-mt")) is named


def test_settings_that_another_run_wrote_are_taken_as_they_are() -> None:
    written = config.RunConfig.from_dict(resolved(method__name="supervised", train__steps=3).to_dict())
    assert with_defaults(written, base_preset("supervised")) is written


def test_few_unlabeled_scans_are_not_worth_a_teacher() -> None:
    assert recommend_for_scans(labeled=10, unlabeled=3).preset == "supervised-scan-cpu"
    choice = recommend_for_scans(labeled=4, unlabeled=28)
    assert choice.preset == "mean-teacher-scan-cpu" and "4 labeled scans and 28 unlabeled" in choice.reasons[0]
    assert choice.preset in config.preset_names()


def test_costly_evaluations_come_less_often() -> None:
    assert evaluations_within(1000.0, 10.0) == EVALUATIONS  # 200 s, a fifth
    assert evaluations_within(1000.0, 20.0) == 10
    assert evaluations_within(1000.0, 500.0) == LEAST_EVALUATIONS
    assert evaluations_within(-1.0, 0.0) == EVALUATIONS and evaluations_within(-1.0, 5.0) == LEAST_EVALUATIONS


@pytest.mark.parametrize("shape", [(16, 16), (17, 40), (9, 33), (50, 7)])
@pytest.mark.parametrize("strides", [(16, 16), (8, 12), (5, 3)])
def test_windows_are_counted_as_they_are_taken(shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
    taken = 0

    def predict(windows: torch.Tensor) -> torch.Tensor:
        nonlocal taken
        taken += len(windows)
        return windows

    predict_windows(predict, torch.zeros(1, 1, *shape), (16, 16), strides=strides)
    assert taken == count_windows(shape, (16, 16), strides)


def test_validation_while_training_is_the_quicker_prediction() -> None:
    published = SegmentationConfig(strides=(18, 18, 4), flips=True, largest_component=True)
    quick = published.while_training()
    assert quick.strides_of((112, 112, 80)) == (84, 84, 60) and not quick.flips
    assert dataclasses.replace(quick, overlap=0.5, strides=(18, 18, 4), flips=True) == published
