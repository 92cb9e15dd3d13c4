"""Several frozen networks whose features a head sees side by side: runs from start to end, and the cache of each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import tutelage
from support.pictures import SIZE, all_kept, pictures, save_pictures
from support.runs import change_json, cut_back, digests
from tutelage import cli
from tutelage.config import resolve
from tutelage.core.cache_folder import VARIABLE
from tutelage.core.errors import CheckpointError, ConfigError
from tutelage.networks.published import relative_cost
from tutelage.run import budget, frozen
from tutelage.run.budget import Deadline
from tutelage.run.frozen_networks import BACKBONE_FILE, FrozenNetworks

STEPS, CPU = 6, torch.device("cpu")
TWO = "efficientnet-lite0+efficientnet-lite1"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 training images, half of them without a label, and 9 to test."""
    folder = tmp_path_factory.mktemp("photos")
    save_pictures(folder / "train.npz", 36, labels=18, test=9)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(autouse=True)
def of_this_file(cache: Path) -> Iterator[None]:
    """A cache of its own, and all checkpoints."""
    with all_kept(cache, STEPS):
        yield


def train(photos: Path, out: Path, name: str = TWO, preset: str = "linear-features", **more: Any) -> tutelage.Run:
    settings = {
        "network.name": name,
        "data.image_size": SIZE,
        "data.val_share": 0.0,
        "train.steps": STEPS,
        "train.batch_size": 4,
        "train.unlabeled_ratio": 2.0,
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


def images(count: int = 6, seed: int = 1) -> np.ndarray:
    return np.ascontiguousarray(pictures(count, seed)[0].transpose(0, 3, 1, 2))


def networks(name: str = TWO) -> FrozenNetworks:
    cfg = resolve({"data.path": "x", "network.name": name}, preset="linear-features")
    return FrozenNetworks.published(cfg, SIZE, CPU)


def test_a_head_sees_the_transformed_features_of_each_network_side_by_side(whole: Path) -> None:
    joined = networks()
    raw = joined.raw_features(images(20))
    assert raw.shape == (20, 2 * 1280)
    joined.fit_transform(raw, None)
    assert joined.widths == (19, 19) and joined.dims == 38
    rows = joined.transformed(raw)
    for number, name in enumerate(TWO.split("+")):
        alone = networks(name)
        own = alone.raw_features(images(20))
        assert np.array_equal(raw[:, 1280 * number : 1280 * (number + 1)], own)
        alone.fit_transform(own, None)
        assert np.array_equal(rows[:, 19 * number : 19 * (number + 1)], alone.transformed(own))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 38**0.5, rtol=1e-4)
    tensors = load_file(whole / "checkpoints" / f"step-{STEPS:08d}.safetensors")
    assert tensors["method.student.head.weight"].shape == (3, 2 * 35)  # 36 rows have 35 principal components


def test_each_network_has_a_cache_of_its_own_that_a_run_with_one_of_them_uses(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    train(photos, tmp_path / "one", "efficientnet-lite1")
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 1
    capsys.readouterr()
    given = ["--network", TWO, "--preset", "linear-features", "--image-size", str(SIZE), "--steps", "2"]
    command = ["train", str(photos / "train.npz"), "--out", str(tmp_path / "two"), *given, "--workers", "0"]
    assert cli.run([*command, "--batch-size", "4"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.index("- efficientnet-lite0: - passing 36 images") < said.index(
        "- efficientnet-lite1: - the features of"
    )
    assert "the network efficientnet-lite0: " in said and "the network efficientnet-lite1: " in said
    assert said.count("license: ") == 2
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 2


def test_a_resume_gives_the_bits_of_a_run_that_was_not_stopped(whole: Path, tmp_path: Path) -> None:
    cut = cut_back(whole, tmp_path / "cut", 3)
    tutelage.train(resume=cut)
    assert digests(cut) == digests(whole)


def test_another_network_beside_the_first_gives_other_bits_so_the_test_above_can_fail(
    whole: Path, photos: Path, tmp_path: Path
) -> None:
    other = train(photos, tmp_path / "other", "efficientnet-lite1+efficientnet-lite0").path
    weights = f"step-{STEPS:08d}.safetensors"
    assert digests(other)[weights] != digests(whole)[weights]


def test_a_run_predicts_evaluates_and_embeds_elsewhere_without_cache(
    whole: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = tutelage.load(whole).probabilities(images())
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nothing"))
    moved = shutil.copytree(whole, tmp_path / "moved")
    torch.testing.assert_close(tutelage.load(moved).probabilities(images()), expected, rtol=0, atol=1e-5)
    x, y = pictures(9, 1)
    np.savez(tmp_path / "test.npz", x=x, y=y)
    assert cli.run(["evaluate", str(moved), str(tmp_path / "test.npz")]) == 0
    accuracy = tutelage.Run(whole).metrics["test"]["student"]["accuracy"]
    assert f"{accuracy:.1%}" in capsys.readouterr().out
    table = tutelage.load(moved).embed(tmp_path / "test.npz")
    assert table.filter(regex=r"^f\d+$").shape == (9, 70)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.long
def test_a_report_and_a_probe_take_such_a_run(whole: Path, photos: Path, tmp_path: Path) -> None:
    assert cli.run(["report", str(whole), "--out", str(tmp_path / "report.html")]) == 0
    assert TWO in (tmp_path / "report.html").read_text()
    moved = shutil.copytree(whole, tmp_path / "moved")
    assert cli.run(["probe", str(moved), str(photos / "train.npz")]) == 0


def test_each_network_keeps_its_own_standardization(whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    tensors = load_file(run / BACKBONE_FILE)
    assert tensors["normalization.mean"].tolist() == [[127.5] * 3] * 2
    tensors["normalization.mean"][1] = 90.0
    save_file(tensors, run / BACKBONE_FILE)
    change_json(run / "config.json", lambda config: config.pop("files"))  # with the hash of the file before
    record = tutelage.Run(run)
    cfg = resolve({"data.path": "x", "network.name": TWO}, preset="linear-features")
    first, second = FrozenNetworks.of_run(run, cfg, record.config["data"], CPU).parts
    assert first.normalization.mean == (127.5,) * 3 and second.normalization.mean == (90.0,) * 3
    assert not torch.allclose(tutelage.load(run).probabilities(images()), tutelage.load(whole).probabilities(images()))


@pytest.mark.parametrize("missing", ["normalization.std", "1.transform.center", "0.trunk.conv_stem.weight"])
def test_a_damaged_file_is_one_line(missing: str, whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    tensors = load_file(run / BACKBONE_FILE)
    del tensors[missing]
    save_file(tensors, run / BACKBONE_FILE)
    change_json(run / "config.json", lambda config: config.pop("files"))  # with the hash of the file before
    with pytest.raises(CheckpointError, match=rf"{BACKBONE_FILE} does not fit the network efficientnet-lite") as caught:
        tutelage.load(run)
    assert missing.split(".", 1)[1] in str(caught.value) and "\n" not in str(caught.value)


def test_the_time_of_all_networks_counts_before_the_first_one_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(frozen, "_KEPT_AT_ONCE", 4)
    joined, now = networks(), [0.0]
    for part in joined.parts:
        part.seconds = 2.0
    assert joined.seconds_per_image(images()) == 4.0
    monkeypatch.setattr(frozen.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(budget.time, "monotonic", lambda: now[0])
    real = frozen.FrozenBackbone._pass

    def slow(self: frozen.FrozenBackbone, pixels: np.ndarray, rows: list[int], engine: Any) -> np.ndarray:
        now[0] += 2.0 * len(rows)
        return real(self, pixels, rows, engine)

    monkeypatch.setattr(frozen.FrozenBackbone, "_pass", slow)
    with pytest.raises(ConfigError, match=r"30s is too short to pass 8 images .* which take 32 s\..*4 of them"):
        joined.raw_features(images(8), deadline=Deadline(0.0, "30s"))
    now[0] = 0.0
    joined.raw_features(images(8), deadline=Deadline(0.0, "25s"))  # four of the first network are in the cache
    assert now[0] == 24.0


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        (TWO, {"train.freeze": 0.5}, "joined by their features and stay frozen: add"),
        (TWO, {"train.freeze": 0.0}, "or choose one of them to train"),
        (TWO, {"train.finetune": True, "train.budget": "3m", "train.steps": None}, "train.finetune is for one network"),
        ("efficientnet-lite0+small", {}, "'small' is not one: join efficientnet-lite0"),
        ("efficientnet-lite0+", {}, "'' is not one"),
        ("efficientnet-lite0+efficientnet-lite0", {}, "names a network twice"),
        (TWO, {"network.weights": "a.pth"}, "network.weights is not a setting of the network"),
    ],
)
def test_what_cannot_be_joined_or_trained_is_refused_at_once(
    name: str, more: dict[str, Any], message: str, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(photos, tmp_path / "run", name, "softmatch-features", **more)
    assert not (tmp_path / "run").exists()


def test_training_that_starts_from_such_a_run_is_refused(whole: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="joined by their features and stay frozen"):
        train(photos, tmp_path / "run", preset="softmatch-finetuned", **{"train.init_from": str(whole)})


def test_what_an_image_costs_is_the_sum_over_the_networks() -> None:
    assert relative_cost("efficientnet-lite0") == relative_cost("timm:resnet18") == 1.0
    assert relative_cost(TWO) == 1.0 + relative_cost("efficientnet-lite1") > 2.0


def test_a_committee_hears_the_heads_of_each_network(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run", preset="committee-features").path
    accuracy = tutelage.Run(run).metrics["test"]["student"]["accuracy"]
    assert accuracy > 0.7
    cut = cut_back(run, tmp_path / "cut", 3)
    tutelage.train(resume=cut)
    assert digests(cut) == digests(run)
