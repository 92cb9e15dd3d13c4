"""What `--method auto` takes, and that it says why."""

from __future__ import annotations

from pathlib import Path

import pytest

import tutelage
from tutelage import config
from tutelage.core.errors import ConfigError
from tutelage.run.build import resolved
from tutelage.run.recommend import Situation, recommend, recommend_for_scans, recommended


def situation(**changes: object) -> Situation:
    usual = {"labeled": 40, "unlabeled": 5000, "classes": 10, "image_size": 32, "device": "cpu"}
    return Situation(**(usual | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
@pytest.mark.parametrize("size", [8, 32, 64, 96, 224])
@pytest.mark.parametrize("unlabeled", [0, 30, 5000])
def test_every_recommendation_is_a_preset_that_is_there_and_gives_reasons(
    device: str, size: int, unlabeled: int
) -> None:
    choice = recommend(situation(device=device, image_size=size, unlabeled=unlabeled))
    cfg = resolved(config.resolve({"data.path": "digits"}, preset=choice.preset))
    assert cfg.method in choice.preset and choice.reasons
    assert ("small" in choice.preset or choice.preset == "fixmatch-gpu") == (size <= 64)


def test_without_enough_unlabeled_images_supervised_training_is_recommended() -> None:
    assert recommend(situation(unlabeled=0)).preset == "supervised-small"
    assert recommend(situation(unlabeled=39)).preset == "supervised-small"
    assert recommend(situation(unlabeled=41)).preset != "supervised-small"


def test_on_a_processor_few_labels_a_class_ask_for_mixmatch_and_many_for_fixmatch() -> None:
    assert recommend(situation(labeled=250)).preset == "mixmatch-small"
    assert recommend(situation(labeled=4000)).preset == "fixmatch-small"
    assert recommend(situation(labeled=250, image_size=96)).preset == "mixmatch-cpu"
    assert recommend(situation(labeled=250, device="cuda")).preset == "fixmatch-gpu"


def test_settings_that_were_given_win_over_the_recommended_preset() -> None:
    cfg = config.resolve({"data.path": "digits", "method.name": "auto", "optimizer.lr": 0.07, "train.steps": 9})
    full = recommended(cfg, recommend(situation()))
    assert full.method != "auto"
    assert (full.optimizer.lr, full.train.steps, full.train.budget) == (0.07, 9, None)
    assert full.network.name == config.read_preset(recommend(situation()).preset)["network"]["name"]


def test_a_chosen_network_takes_none_of_the_settings_of_the_recommended_one() -> None:
    choice = recommend(situation(device="cuda"))
    assert config.read_preset(choice.preset)["network"]["batch_norm_momentum"] == 0.01
    cfg = config.resolve({"data.path": "digits", "method.name": "auto", "network.name": "timm:resnet10t"})
    full = recommended(cfg, choice)
    assert (full.network.name, full.network.batch_norm_momentum) == ("timm:resnet10t", None)
    assert full.train.unlabeled_ratio == config.read_preset(choice.preset)["train"]["unlabeled_ratio"]


@pytest.mark.parametrize(("batch", "unlabeled", "expected"), [(64, 5000, 448), (64, 200, 200), (300, 700, 700)])
def test_the_recommended_unlabeled_batch_takes_no_more_images_than_there_are(
    batch: int, unlabeled: int, expected: int
) -> None:
    cfg = config.resolve({"data.path": "digits", "method.name": "auto", "train.batch_size": batch})
    full = recommended(cfg, recommend(situation(labeled=40, unlabeled=unlabeled, device="cuda")))
    assert full.train.unlabeled_batch == expected


@pytest.mark.parametrize("unlabeled", [0, 3])
def test_with_next_to_nothing_unlabeled_the_supervised_preset_is_as_it_is(unlabeled: int) -> None:
    cfg = config.resolve({"data.path": "digits", "method.name": "auto"})
    for choice in (
        recommend(situation(labeled=40, unlabeled=unlabeled)),
        recommend(situation(labeled=40, unlabeled=unlabeled, device="cuda")),
        recommend_for_scans(labeled=10, unlabeled=unlabeled),
    ):
        full = recommended(cfg, choice)
        assert (full.method, full.train.unlabeled_ratio) == ("supervised", 1.0)


def test_fully_labeled_data_trains_without_a_method_being_named(tmp_path: Path) -> None:
    run = tutelage.train("digits", steps=2, out=tmp_path / "a")
    assert run.config["settings"]["method"]["name"] == "supervised"


def test_an_unlabeled_batch_that_was_asked_for_stays_as_it_is() -> None:
    cfg = config.resolve({"data.path": "digits", "method.name": "auto", "train.unlabeled_ratio": 5.0})
    full = recommended(cfg, recommend(situation(labeled=40, unlabeled=200, device="cuda")))
    assert full.train.unlabeled_batch == 5 * full.train.batch_size


def test_a_setting_of_a_method_needs_the_method_to_be_named() -> None:
    with pytest.raises(ConfigError, match=r"method.threshold is a setting of one method.*name the method as well"):
        config.resolve({"data.path": "digits", "method.name": "auto", "method.threshold": 0.5})


def test_a_run_with_auto_records_what_was_chosen_and_resumes_as_that(tmp_path: Path) -> None:
    run = tutelage.train("digits", method="auto", label_count=20, steps=2, out=tmp_path / "a")
    assert run.config["settings"]["method"]["name"] != "auto"
    assert tutelage.train(resume=tmp_path / "a").metrics == run.metrics
