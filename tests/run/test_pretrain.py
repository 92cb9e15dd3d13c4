"""Pretraining from the command line and as a run: every image source, its monitor, resume, and what is refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from support.runs import checkpoints, cut_back
from tutelage import cli
from tutelage.commands.run import Run
from tutelage.commands.train import resume_training, train_run
from tutelage.config.data import DataConfig
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError, DataError
from tutelage.data.images.dataset import ImageDataset, load_images
from tutelage.data.images.inventory import take_image_inventory
from tutelage.inference.images.model import Model
from tutelage.results.report.repeat import train_command
from tutelage.results.report.write import write_report
from tutelage.run.resolve import resolve_pretraining
from tutelage.run.run_record import RunRecord
from tutelage.training.checkpoint import load_checkpoint

BRIEF = {
    "network.name": "small",
    "network.width": 8,
    "network.bn_splits": 2,
    "train.steps": 6,
    "train.batch_size": 8,
    "train.log_every": 2,
    "train.eval_every": 3,
    "train.workers": 0,
    "train.device": "cpu",
    "method.queue_size": 20,
}


def write_images(folder: Path, count: int, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(first)
    for number in range(first, first + count):
        Image.fromarray(draw.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def pretrain(data: Path | str, out: Path, **settings: Any) -> Run:
    cfg = resolve_pretraining({"data.path": str(data), **BRIEF, **settings})
    return train_run(cfg, out, console=screen(quiet=True), pretraining=True)


def dataset(path: Path | str, **settings: Any) -> ImageDataset:
    return load_images(DataConfig(path=str(path), **settings), seed=0, needs_labels=False)


def test_a_flat_folder_without_any_label_is_learned_from(tmp_path: Path) -> None:
    run = pretrain(write_images(tmp_path / "photos", 12), tmp_path / "run")
    lines = [row for row in run.history() if row["kind"] == "training"]
    assert [row["step"] for row in lines] == [2, 4, 6]
    wanted = {"positives_first", "alignment", "uniformity", "effective_rank", "feature_spread", "queue_age"}
    assert all(wanted <= set(row) for row in lines)
    assert "validation" not in run.metrics and run.metrics["headline"] == "knn_accuracy"
    assert [row["queue_age"] for row in lines] == [0.5, 2.25, 2.5]  # 0, 1; 2, 2.5; 2.5, 2.5


def test_without_labels_the_end_says_what_to_do_with_the_encoder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = write_images(tmp_path / "photos", 12)
    brief = ["--steps", "2", "--batch-size", "8", "--device", "cpu", "--no-report", "--method.queue-size", "16"]
    assert cli.run(["pretrain", str(photos), "--out", str(tmp_path / "run"), *brief]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Without labels an encoder has no score: tutelage probe RUN DATA measures its features" in said


def test_labels_where_there_are_any_score_the_features_and_are_not_learned_from(tmp_path: Path) -> None:
    run = pretrain("digits", tmp_path / "run", **{"data.label_count": 100})
    other = pretrain("digits", tmp_path / "other", **{"data.label_count": 50, "data.val_share": 0.0})
    for one in (run, other):
        scores = [row["student"] for row in one.history() if row["kind"] == "validation"]
        assert len(scores) == 2 and all(0 <= score["knn_accuracy"] <= 1 for score in scores)
    assert run.metrics["test"]["student"]["n"] == 355
    assert run.metrics["test"]["student"]["knn_accuracy"] > 0.3  # digits look alike even to a new network
    first, second = (load_checkpoint(one.path / "checkpoints").tensors for one in (run, other))
    assert torch.equal(first["method.queue"], second["method.queue"])


def test_a_resumed_pretraining_is_the_uninterrupted_one_bit_by_bit(tmp_path: Path) -> None:
    whole = pretrain(write_images(tmp_path / "photos", 12), tmp_path / "whole")
    broken = cut_back(whole.path, tmp_path / "broken", checkpoints(whole.path)[-2]["step"])
    resumed = resume_training(broken, {}, console=screen(quiet=True))
    first, second = (load_checkpoint(run.path / "checkpoints") for run in (whole, resumed))
    assert first.step == second.step == 6 and first.tensors.keys() == second.tensors.keys()
    assert int(first.tensors["method.queue_end"]) == 6 * 8 % 20
    for name, value in first.tensors.items():
        assert torch.equal(value, second.tensors[name]), name
    assert (whole.path / "metrics.jsonl").read_bytes() == (broken / "metrics.jsonl").read_bytes()


@pytest.mark.parametrize("kind", ["classes", "one-class", "unlabeled", "splits", "no-train", "table", "arrays"])
def test_every_source_is_taken_with_or_without_labels(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "photos"
    path, images = root, 12
    if kind == "classes":
        write_images(root / "a", 6), write_images(root / "b", 5, 6), write_images(root / "unlabeled", 1, 11)
    elif kind == "one-class":
        write_images(root / "pictures", 12)
    elif kind == "unlabeled":
        write_images(root / "unlabeled", 12)
    elif kind == "splits":
        write_images(root / "train", 8), write_images(root / "unlabeled", 4, 8), write_images(root / "val", 3, 12)
    elif kind == "no-train":
        write_images(root / "unlabeled", 12), write_images(root / "test" / "a", 3, 12)
    elif kind == "table":
        write_images(root, 12)
        (root / "labels.csv").write_text("path,label\n0.png,\n1.png,cat\n")
    else:
        root.mkdir()
        path = root / "x.npz"
        np.savez(path, x=np.random.default_rng(0).integers(0, 255, (12, 8, 8), dtype=np.uint8))
    data = dataset(path)
    assert len(data.train) == len(data.unlabeled_rows) == images
    assert len(data.classes) == (2 if kind == "classes" else 0)
    assert data.val is None and not data.has_test


def test_labels_too_few_to_be_held_out_judge_one_another(tmp_path: Path) -> None:
    write_images(tmp_path / "photos" / "a", 6), write_images(tmp_path / "photos" / "b", 6, 6)
    assert "labeled images are scored against each other" in dataset(tmp_path / "photos").notes[-1]
    assert "there is no validation" in load_images(DataConfig(path=str(tmp_path / "photos")), seed=0).notes[-1]


def test_images_that_score_nothing_are_named_and_a_source_that_is_not_there_is_refused(tmp_path: Path) -> None:
    photos, val = write_images(tmp_path / "photos", 5), write_images(tmp_path / "val", 3, 5)
    [warning] = take_image_inventory(DataConfig(path=str(photos), val=str(val)), needs_labels=False).warnings
    assert "the val images cannot be scored, since labels are missing" in warning
    for given in ({"path": str(tmp_path / "none")}, {"path": str(photos), "val": str(tmp_path / "none")}):
        with pytest.raises(DataError, match="no such file or folder"):
            load_images(DataConfig(**given), seed=0, needs_labels=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method.queue_size": 7}, "method.queue_size 7 is smaller than the 8 keys of a step"),
        ({"network.bn_splits": 3}, "network.bn_splits 3 does not divide the batch of 8 images"),
        (
            {"method.name": "fixmatch", "method.queue_size": None},
            "fixmatch learns from labels: use tutelage train; to pretrain without labels use ",
        ),
        ({"train.baseline": True}, "pretraining has no supervised baseline"),
    ],
)
@pytest.mark.usefixtures("by_flags")
def test_what_does_not_fit_is_refused_before_training_and_leaves_nothing(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    data, out = write_images(tmp_path / "photos", 12), tmp_path / "run"
    given = {name: value for name, value in ({"data.path": str(data)} | BRIEF | settings).items() if value is not None}
    with pytest.raises(ConfigError, match=message):
        train_run(resolve_pretraining(given), out, console=screen(quiet=True), pretraining=True)
    assert not out.exists()


def test_training_with_a_method_without_labels_says_to_pretrain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["train", "digits", "--method", "moco-v2", "--out", str(tmp_path / "a"), "--steps", "2"]) == 2
    assert "tutelage pretrain DATA --out RUN --method moco-v2" in capsys.readouterr().err


@pytest.mark.long
def test_the_command_pretrains_resumes_and_a_training_starts_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, after = str(tmp_path / "moco"), str(tmp_path / "after")
    brief = ["--steps", "4", "--batch-size", "16", "--device", "cpu", "--no-report"]
    assert cli.run(["pretrain", "digits", "--out", run, *brief, "--method.queue-size", "64"]) == 0
    assert json.loads((Path(run) / "config.json").read_text())["settings"]["method"]["name"] == "moco-v2"
    assert cli.run(["pretrain", "--resume", run, "--no-report"]) == 0
    assert cli.run(["train", "--resume", run, "--no-report"]) == 0
    said = capsys.readouterr().out
    assert "is finished already" in said and "positives first" in said and "effective rank" in said
    assert cli.run(["train", "digits", "--out", after, *brief, "--method", "supervised", "--init-from", run]) == 0
    assert "tensors come from" in capsys.readouterr().out
    for command in (["evaluate", run, "digits"], ["predict", run, "digits", "--out", str(tmp_path / "p.csv")]):
        assert cli.run(command) == 2
        assert "predicts no classes" in capsys.readouterr().err
    model = Model.load(run, device="cpu")
    images = np.zeros((3, 1, 8, 8), np.uint8)
    assert model.probabilities(images).shape == (3, 128) and model.task.headline == "knn_accuracy"
    assert torch.equal(
        model.probabilities(images), model.network(model.normalization(torch.from_numpy(images))).detach()
    )


@pytest.mark.parametrize(
    ("settings", "preset", "expected"),
    [
        ({}, None, ("moco-v2", "30m", 4096)),
        ({"method.name": "moco-v1"}, None, ("moco-v1", "30m", 4096)),
        ({}, "moco-v2-cifar10", ("moco-v2", None, 4096)),
        ({"method.queue_size": 128}, "moco-v1-imagenet", ("moco-v1", None, 128)),
    ],
)
def test_without_a_preset_that_for_small_images_is_taken(
    settings: dict[str, Any], preset: str | None, expected: tuple[str, str | None, int]
) -> None:
    cfg = resolve_pretraining({"data.path": "digits", **settings}, preset=preset)
    assert (cfg.method, cfg.train.budget, cfg.method_settings["queue_size"]) == expected


@pytest.mark.long
def test_the_report_is_that_of_an_encoder_and_its_command_repeats_the_run(tmp_path: Path) -> None:
    run = pretrain("digits", tmp_path / "run", **{"method.queue_size": 65536, "network.bn_splits": None})
    page = tmp_path / "page.html"
    write_report([run.path], page, most=20)
    text = page.read_text()
    assert "kNN accuracy on the validation images" in text and "tutelage probe" in text
    assert "Calibration" not in text and "tutelage evaluate" not in text
    words = shlex.split(train_command(RunRecord(run.path)).replace("\\\n", " "))
    assert words[:3] == ["tutelage", "pretrain", "digits"]
    words[words.index("--out") + 1] = str(tmp_path / "again")
    assert cli.run([*words[1:], "--no-report"]) == 0
    assert (tmp_path / "again" / "metrics.jsonl").read_bytes() == (run.path / "metrics.jsonl").read_bytes()
