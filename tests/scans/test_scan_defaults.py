"""What training on scans starts from, what is recommended, and what its time is planned by."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from tutelage import config
from tutelage.config.network_name import NetworkName
from tutelage.config.segmentation import SegmentationConfig
from tutelage.methods import METHODS
from tutelage.run.budget import EVALUATIONS, LEAST_EVALUATIONS, evaluations_within
from tutelage.run.method_by_name import method_settings
from tutelage.run.recommend import recommend_for_scans
from tutelage.run.resolve import resolve_training
from tutelage.tasks.sliding_window import count_windows, predict_windows

SEGMENTERS = [method.name for method in METHODS if "segmentation" in method.tasks]


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder that looks like scans."""
    for name in ("images", "labels"):
        (tmp_path / "scans" / name).mkdir(parents=True)
    return tmp_path / "scans"


def resolved(scans: Path, preset: str | None = None, **given: Any) -> config.RunConfig:
    settings = {name.replace("__", "."): value for name, value in given.items()}
    return resolve_training({"data.path": str(scans)} | settings, preset=preset)


@pytest.mark.parametrize("method", [*SEGMENTERS, "auto"])
def test_every_method_for_scans_has_settings_to_start_from(method: str, scans: Path) -> None:
    cfg = resolved(scans, method__name=method)
    assert cfg.method == method
    network = NetworkName.parse(cfg.network.name)
    assert network.dense and cfg.scan.patch_size == () and cfg.train.batch_size == 2
    assert cfg.network.deep_supervision == (True if method == "urpc" else None)
    if method != "auto":
        assert cfg == resolved(scans, preset=config.base_preset(method))


def test_what_is_given_wins_over_what_scans_start_from(scans: Path) -> None:
    cfg = resolved(
        scans, method__name="ua-mt", method__passes=2, network__width=16, train__steps=7, scan__patch_size="96"
    )
    assert (cfg.network.width, cfg.train.steps, cfg.train.budget) == (16, 7, None)
    assert cfg.scan.patch_size == (96,) and method_settings(cfg).passes == 2
    assert cfg.optimizer.clip_norm == 1.0  # of the preset
    assert resolved(scans, method__name="urpc", network__deep_supervision="false").network.deep_supervision is False


def test_a_preset_that_is_named_is_taken_as_it_is(scans: Path) -> None:
    named, table = resolved(scans, preset="ua-mt-la-16"), config.read_preset("ua-mt-la-16")
    assert "clip_norm" not in table["optimizer"] and named.optimizer.clip_norm is None
    assert named.train.steps == 6000 and named.network.width is None


def test_images_start_from_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    cfg = resolved(tmp_path / "photos", method__name="supervised")
    assert cfg.network.name == "small" and cfg.train.batch_size == 64


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
    assert dataclasses.replace(quick, overlap=None, strides=(18, 18, 4), flips=True) == published
