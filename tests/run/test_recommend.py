"""What `--method auto` takes, and that it says why."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tutelage
from support.runs import unsealed
from tutelage import cli, config
from tutelage.core.errors import ConfigError
from tutelage.results.report.repeat import train_command
from tutelage.run import recommend as module
from tutelage.run.method_by_name import resolved
from tutelage.run.recommend import (
    HEADS,
    Situation,
    feature_size,
    recommend,
    recommend_for_scans,
    recommend_named,
    recommended,
)
from tutelage.run.resolve import resolve_pretraining, resolve_training
from tutelage.run.run_record import RunRecord

pytestmark = pytest.mark.usefixtures("by_flags")


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


# ---- photos and a network that knows them


def of_photos(**changes: object) -> Situation:
    return situation(**{"image_size": 224, "pretrained": True, "classes": 2, "unlabeled": 1000} | changes)


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_photos_get_heads_on_the_features_of_a_pretrained_network(device: str) -> None:
    choice = recommend(of_photos(device=device))
    assert (choice.preset, choice.heads, choice.image_size) == (f"{HEADS[0]}-features", HEADS, 256)
    assert any("256 pixels" in reason for reason in choice.reasons)
    for head in choice.heads:
        cfg = resolved(config.resolve({"data.path": "x"}, preset=f"{head}-features"))
        assert (cfg.method, cfg.frozen) == (head, True)


def test_without_unlabeled_photos_there_is_one_head_that_needs_none() -> None:
    choice = recommend(of_photos(unlabeled=0))
    assert (choice.preset, choice.heads) == ("linear-features", ("linear",))


@pytest.mark.parametrize(
    ("changes", "knows"),
    [
        ({}, True),
        ({"image_size": 32}, True),
        ({"image_size": 28}, False),
        ({"image_size": 32, "channels": 1}, False),
        ({"image_size": 33, "channels": 1}, True),
        ({"channels": 1}, True),
        ({"channels": 5}, False),
        ({"pretrained": False}, False),
    ],
)
def test_tiny_images_small_gray_ones_and_a_missing_network_are_trained_from_scratch(
    changes: dict[str, object], knows: bool
) -> None:
    choice = recommend(of_photos(**changes))
    assert choice.preset.endswith("-features") == bool(choice.heads) == (choice.image_size is not None) == knows


def test_small_photos_are_enlarged_less_than_large_ones() -> None:
    assert feature_size(of_photos(image_size=95)) == 160
    assert feature_size(of_photos(image_size=96)) == feature_size(of_photos(image_size=223)) == 224
    assert feature_size(of_photos(image_size=224)) == 256
    assert feature_size(of_photos(image_size=224, lite=False)) == 224  # a ViT takes no other size


def test_a_budget_too_short_for_the_largest_size_lowers_it_on_a_processor() -> None:
    budgets = (3600.0, 120.0, 60.0, 35.0, 1.0)
    sizes = [feature_size(of_photos(unlabeled=3000, budget=budget)) for budget in budgets]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == 256 and sizes[-1] == 96 and len(set(sizes)) == 4
    for size, budget in zip(sizes, budgets, strict=True):
        assert size == 96 or 3040 * size**2 <= module._SHARE_FOR_FEATURES * budget * module._PASSES
    assert feature_size(of_photos(unlabeled=3000, budget=1.0, device="cuda")) == 256
    assert recommend(of_photos(unlabeled=3000, budget=60.0)).image_size == sizes[2]


def test_a_head_takes_no_more_unlabeled_photos_than_are_enough_or_fit_the_budget() -> None:
    assert recommend(of_photos(unlabeled=50_000)).unlabeled_count is None
    assert recommend(of_photos(unlabeled=1_000_000)).unlabeled_count == 50_000
    assert recommend(of_photos(unlabeled=1_000_000, device="cuda", budget=60.0)).unlabeled_count == 50_000
    for budget in (60.0, 120.0, 900.0):
        found = recommend(of_photos(unlabeled=1_000_000, budget=budget, timed=True))
        assert found.unlabeled_count is not None and found.image_size is not None
        share = 0.2 if budget >= 300 else 0.4  # of the budget; 60 images of 224 pixels pass in a second
        pixels = (40 + found.unlabeled_count) * found.image_size**2
        assert 0.95 < pixels / (share * budget * 60 * 224**2) <= 1.0
    assert recommend(of_photos(unlabeled=1_000_000, budget=900.0, timed=True)).image_size == 256  # not shrunk for more


def test_a_number_of_unlabeled_photos_that_was_given_stays() -> None:
    choice = recommend(of_photos(unlabeled=1_000_000))
    given = config.resolve({"method.name": "auto", "data.path": "photos", "data.unlabeled_count": 7})
    assert recommended(given, choice).data.unlabeled_count == 7
    assert (
        recommended(config.resolve({"method.name": "auto", "data.path": "photos"}), choice).data.unlabeled_count
        == 50_000
    )


def test_only_a_budget_that_was_asked_for_is_used_up_by_fine_tuning() -> None:
    for timed in (False, True):
        choice = recommend(of_photos(budget=1200.0, timed=timed))
        assert choice.finetune == timed == any("fine-tuned" in reason for reason in choice.reasons)
    sizes = [feature_size(of_photos(unlabeled=50_000, budget=1800.0, timed=timed)) for timed in (False, True)]
    assert sizes == [160, 128]  # most of a long budget is for fine-tuning


def named(method: str, **given: object) -> config.RunConfig:
    return config.resolve({"data.path": "x", "method.name": method} | given)


@pytest.mark.parametrize(
    ("method", "given", "changes", "preset"),
    [
        ("fixmatch", {}, {}, "fixmatch-features"),
        ("softmatch", {}, {}, "softmatch-features"),
        ("linear", {}, {}, "linear-features"),
        ("fixmatch", {}, {"pretrained": False}, "fixmatch-cpu"),
        ("fixmatch", {}, {"pretrained": False, "device": "cuda"}, "fixmatch-gpu-photos"),
        ("fixmatch", {}, {"device": "cuda"}, "fixmatch-features"),
        ("hybridnet", {}, {}, "hybridnet-cpu"),
        ("hybridnet", {}, {"device": "cuda"}, "hybridnet-cpu"),
        ("fixmatch", {"network.name": "efficientnet-lite0", "train.freeze": 0.5}, {}, "fixmatch-cpu"),
        ("fixmatch", {"train.init_from": "runs/a"}, {}, "fixmatch-cpu"),
        ("linear", {"train.init_from": "runs/a"}, {}, None),
        ("linear", {}, {"pretrained": False}, None),
        ("fixmatch", {}, {"image_size": 32}, None),
        ("linear", {"network.name": "efficientnet-lite0"}, {"image_size": 32}, "linear-features"),
        ("fixmatch", {}, {"image_size": 28}, None),
    ],
)
def test_a_named_method_takes_what_is_recommended_for_it_on_photos(
    method: str, given: dict[str, object], changes: dict[str, object], preset: str | None
) -> None:
    choice = recommend_named(named(method, **given), of_photos(**changes))
    assert (None if choice is None else choice.preset) == preset
    if choice is not None:
        assert "--preset none starts from the defaults" in choice.reasons[0]
        assert (choice.image_size is not None) == choice.preset.endswith("-features") and not choice.heads


def test_settings_that_were_given_win_over_the_preset_of_a_named_method() -> None:
    cfg = named("softmatch", **{"data.image_size": 96, "optimizer.lr": 0.07, "method.sigmas": 3.0})
    choice = recommend_named(cfg, of_photos())
    assert choice is not None
    full = resolved(recommended(cfg, choice))
    assert (full.data.image_size, full.optimizer.lr, full.method_settings.sigmas) == (96, 0.07, 3.0)
    assert (full.network.name, full.frozen) == ("efficientnet-lite0", True)
    assert recommended(named("softmatch"), choice).data.image_size == 256


def test_preset_none_is_the_defaults_for_a_named_method() -> None:
    plain, none = config.resolve(SUPERVISED), config.resolve(SUPERVISED, preset="none")
    assert none == plain and (none.preset, plain.preset) == ("none", None)
    assert resolve_training(SUPERVISED, preset="none") == plain


SUPERVISED = {"data.path": "x", "method.name": "supervised"}


def test_preset_none_needs_a_method_to_be_named() -> None:
    for given in ({"data.path": "x"}, {"data.path": "x", "method.name": "auto"}):
        with pytest.raises(ConfigError, match=r"preset none starts from the defaults.*name a method as well"):
            config.resolve(given, preset="none")


def test_preset_none_is_the_defaults_for_a_pretraining_of_moco_v2() -> None:
    none = resolve_pretraining({"data.path": "x"}, preset="none")
    assert none.method == "moco-v2" and none == config.resolve({"data.path": "x", "method.name": "moco-v2"})
    assert none != resolve_pretraining({"data.path": "x"})
    assert resolve_pretraining({"data.path": "x", "method.name": "moco-v1"}, preset="none").method == "moco-v1"


def test_scans_start_with_preset_none_from_what_they_start_from_without_a_preset(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "images" / "a.nii.gz").write_bytes(b"")
    given = {"data.path": str(tmp_path), "method.name": "mean-teacher"}
    assert resolve_training(given, preset="none") == resolve_training(given)
    assert resolve_training(given, preset="none").network.name == "vnet"


# ---- runs on photos


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two class folders of 12 images of 100 pixels, and 8 images without a label."""
    root, draw = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number, (name, count) in enumerate((("cat", 12), ("dog", 12), ("unlabeled", 8))):
        (root / name).mkdir()
        for image in range(count):
            pixels = draw.integers(0, 120, (100, 100, 3), dtype=np.uint8)
            pixels[..., number if name != "unlabeled" else image % 2] += 120
            Image.fromarray(pixels).save(root / name / f"{image}.png")
    return root


BRIEF = {"train.steps": 2, "train.batch_size": 4, "train.workers": 0, "data.image_size": 72, "train.device": "cpu"}


def settings_of(run: tutelage.Run) -> dict[str, dict[str, object]]:
    settings: dict[str, dict[str, object]] = unsealed(run.path / "config.json")["settings"]
    return settings


def test_on_photos_a_head_is_chosen_on_features_and_the_run_says_so(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tutelage.train(photos, out=tmp_path / "run", settings=BRIEF, quiet=False)
    said = capsys.readouterr().out
    assert "- the preset softmatch-features, since" in said
    assert "- head: " in said and "by cross-validated accuracy on 24 labels" in " ".join(said.split())
    assert "images passed through the frozen network once" in said
    settings = settings_of(run)
    assert settings["network"]["name"] == "efficientnet-lite0" and settings["train"]["freeze"] == "all"
    assert settings["method"]["name"] in HEADS
    again = tutelage.train(resume=run.path)
    assert again.metrics == run.metrics


@pytest.mark.long
def test_a_named_method_trains_with_its_preset_on_photos_and_with_preset_none_on_pixels(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = tutelage.train(photos, out=tmp_path / "a", method="supervised", settings=BRIEF, quiet=False)
    assert "- the preset supervised-features, since" in capsys.readouterr().out
    plain = tutelage.train(
        photos, out=tmp_path / "b", method="supervised", preset="none", network="wrn-10-1", settings=BRIEF, quiet=False
    )
    assert "the preset" not in capsys.readouterr().out
    assert (settings_of(frozen)["optimizer"]["name"], settings_of(plain)["optimizer"]["name"]) == ("adam", "sgd")
    assert (settings_of(frozen)["network"]["name"], settings_of(plain)["network"]["name"]) == (
        "efficientnet-lite0",
        "wrn-10-1",
    )


@pytest.mark.long
def test_a_command_that_repeats_a_frozen_run_gives_its_settings_again(photos: Path, tmp_path: Path) -> None:
    run = tutelage.train(photos, out=tmp_path / "a", method="softmatch", settings=BRIEF | {"optimizer.lr": 0.02})
    command = train_command(RunRecord(run.path))
    assert "--preset none" in command
    words = shlex.split(command.replace("\\\n", " "))
    words[words.index("--out") + 1] = str(tmp_path / "b")
    assert cli.run([*words[1:], "--no-report"]) == 0
    again = tutelage.Run(tmp_path / "b")
    assert settings_of(again) == settings_of(run) and again.metrics == run.metrics
