"""Advice on the data, each followed in a really trained run: the score rises."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tutelage
from tutelage import cli
from tutelage.data.images.arrays import DIGITS
from tutelage.networks.published import has_pretrained
from tutelage.results.verdict.verdict import Verdict, read_verdict

pytestmark = [pytest.mark.usefixtures("by_flags"), pytest.mark.slow]

PERIOD = 5  # pixels of 64; shrunk to a quarter, stripes of that width are gone
STRIPES = ("columns", "rows")
NARROW = ("--network.width", "16")  # quick


def striped(folder: Path, count: int, seed: int, labels: int) -> Path:
    """Pictures of 64 pixels with stripes of two directions and random colors, the first ones with a label."""
    draw = np.random.default_rng(seed)
    folder.mkdir()
    lines = ["path,label"]
    for number in range(count):
        dark, light = draw.uniform(20, 110, 3), draw.uniform(140, 235, 3)
        wave = np.sin((np.arange(64) + draw.uniform(0, PERIOD)) * 2 * np.pi / PERIOD) > 0
        shape = wave[:, None] if number % 2 else wave[None, :]
        pixels = np.where(np.broadcast_to(shape, (64, 64))[..., None], light, dark) + draw.normal(0, 12, (64, 64, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
        lines += [f"{number}.png,{STRIPES[number % 2]}"] if number < labels else []
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stripes")
    striped(folder / "train", 60, 0, 40)
    striped(folder / "test", 60, 1, 60)
    return folder


def trained(stripes: Path, out: Path, *words: str) -> tuple[float, Verdict]:
    """Accuracy and verdict of a run with these flags."""
    data = [str(stripes / "train"), "--labels", "labels.csv", "--test", str(stripes / "test"), "--out", str(out)]
    length = [
        "--unlabeled-ratio",
        "2",
        "--steps",
        "30",
        "--batch-size",
        "8",
        "--workers",
        "1",
        "--device",
        "cpu",
        "--no-report",
        "--baseline",
    ]
    assert cli.run(["train", *data, *length, "--method", "fixmatch", *words]) == 0
    verdict = read_verdict(out)
    assert verdict is not None
    return tutelage.Run(out).metrics["test"]["teacher"]["accuracy"], verdict


@pytest.fixture(scope="module")
def blurred(stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[float, Verdict]:
    """A new network on images that were shrunk too far."""
    return trained(stripes, tmp_path_factory.mktemp("run") / "run", "--network", "small", *NARROW, "--image-size", "16")


def test_no_better_than_guessing_comes_first_and_labels_are_not_blamed(blurred: tuple[float, Verdict]) -> None:
    accuracy, verdict = blurred
    assert accuracy < 0.6
    assert verdict.headline.startswith("perhaps no better than guessing: ")  # it has 60 test images
    assert verdict.sentences()[0].startswith("fixmatch, 40 labels: perhaps no better than guessing: ")
    names = [cause.name for cause in verdict.causes]
    assert names[0] == "new network" and "small images" in names and "labels" not in names


def test_the_larger_size_that_is_advised_raises_the_score(
    stripes: Path, tmp_path: Path, blurred: tuple[float, Verdict]
) -> None:
    (advice,) = [cause for cause in blurred[1].causes if cause.name == "small images"]
    assert "from 64 to 16 pixels" in advice.evidence and advice.flag == "--image-size 32"
    accuracy, verdict = trained(stripes, tmp_path / "run", "--network", "small", *NARROW, *shlex.split(advice.flag))
    assert accuracy > blurred[0] + 0.3
    assert not verdict.guessing


@pytest.mark.skipif(not has_pretrained(), reason="the extra `pretrained` is not installed")
def test_the_pretrained_network_that_is_advised_raises_the_score(
    stripes: Path, tmp_path: Path, blurred: tuple[float, Verdict]
) -> None:
    advice = blurred[1].causes[0]
    flags, without = advice.flag.split(" without ")
    assert without == "--image-size"
    accuracy, verdict = trained(stripes, tmp_path / "run", *shlex.split(flags))
    assert accuracy > blurred[0] + 0.3
    assert not {"new network", "small images"} & {cause.name for cause in verdict.causes}


BRIEF: dict[str, Any] = {"batch_size": 16, "workers": 1, "device": "cpu", "network": "small", "baseline": True}
BRIEF |= {"method": "fixmatch", "eval_every": 1000, "settings": {"network.width": 16}}


def digits(path: Path, labels: list[int]) -> np.ndarray:
    """Write digits with the given number of labels per class; returns the true class of each image."""
    with np.load(DIGITS) as file:
        arrays = {name: file[name] for name in ("x", "x_test", "y_test")}
        truth = file["y"].astype(np.int64)
    chosen = np.concatenate([np.flatnonzero(truth == number)[:count] for number, count in enumerate(labels)])
    arrays["y"] = np.full_like(truth, -1)
    arrays["y"][chosen] = truth[chosen]
    np.savez(path, allow_pickle=False, **arrays)
    return truth


def verdict_on(data: Path, out: Path, **settings: Any) -> tuple[dict[str, Any], Verdict]:
    """Metrics and verdict of a run on digits."""
    run = tutelage.train(data, out=out, **BRIEF, **settings)
    verdict = read_verdict(out)
    assert verdict is not None
    return run.metrics["test"][run.metrics["evaluated"]], verdict


def test_more_steps_raise_the_score_of_a_network_that_has_learned_nothing_yet(tmp_path: Path) -> None:
    digits(tmp_path / "digits.npz", [10] * 10)
    before, verdict = verdict_on(tmp_path / "digits.npz", tmp_path / "short", steps=3)
    assert verdict.guessing
    advice = verdict.causes[0]
    assert advice.name == "too few steps"
    steps = int(advice.flag.partition("--steps ")[2].split()[0])
    after, _ = verdict_on(tmp_path / "digits.npz", tmp_path / "long", steps=steps)
    assert steps == 9
    assert after["accuracy"] > before["accuracy"] + 0.1


def test_ten_more_labels_of_the_weakest_class_raise_its_recall(tmp_path: Path) -> None:
    truth = digits(tmp_path / "digits.npz", [20, 20, 20, 20, 20, 20, 20, 20, 1, 20])
    before, verdict = verdict_on(tmp_path / "digits.npz", tmp_path / "before", steps=100)
    (advice,) = [cause for cause in verdict.causes if cause.name == "weak class"]
    assert "images of '8' are recognized (number of labels: 1)" in advice.evidence
    assert advice.flag.startswith("label 10 more images of '8'; tutelage predict RUN DATA --out predictions.csv lists")

    # those that the model thinks the likeliest, as the advice says, looked at one after the other until ten are found
    with np.load(tmp_path / "digits.npz") as file:
        arrays = {name: file[name] for name in file}
    frame = tutelage.load(tmp_path / "before").predict(tmp_path / "digits.npz").to_frame()
    probs = frame["p_8"].to_numpy()[: len(truth)]  # the test images follow
    likely = [row for row in np.argsort(-probs, kind="stable") if arrays["y"][row] < 0]
    arrays["y"][[row for row in likely if truth[row] == 8][:10]] = 8
    np.savez(tmp_path / "more.npz", allow_pickle=False, **arrays)
    after, _ = verdict_on(tmp_path / "more.npz", tmp_path / "after", steps=100)
    assert after["per_class"]["8"]["recall"] > before["per_class"]["8"]["recall"] + 0.2
    assert after["accuracy"] > before["accuracy"]


def test_a_run_without_a_baseline_says_that_it_is_no_better_than_guessing_and_what_to_try(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digits(tmp_path / "digits.npz", [10] * 10)
    words = ["--network", "small", *NARROW, "--batch-size", "16", "--workers", "1", "--device", "cpu", "--no-report"]
    for steps, expected in (("2", True), ("40", False)):
        out = ["--out", str(tmp_path / steps), "--method", "supervised", "--steps", steps]
        assert cli.run(["train", str(tmp_path / "digits.npz"), *words, *out]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert ("no better than guessing: " in said) is expected
        assert ("1. the labels have hardly been learned" in said) is expected
