"""V-Nets of the UA-MT family as runs on scans: the masks are those of the original, and training starts from them."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import tutelage
from reference.vnet import NaiveVNet, trained
from support.imports import MakesFolder, imported
from support.runs import unsealed
from tutelage import cli
from tutelage.data.scans.phantoms import write_phantoms


@pytest.fixture(scope="module")
def theirs() -> NaiveVNet:
    return trained("laseg", classes=3, seed=2)


@pytest.fixture(scope="module")
def file(theirs: NaiveVNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of `theirs`, as a parallel module."""
    path = tmp_path_factory.mktemp("files") / "iter_6000.pth"
    torch.save({f"module.{name}": value for name, value in theirs.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three synthetic scans with the classes 0, 1 and 2."""
    folder = tmp_path_factory.mktemp("scans")
    write_phantoms(folder, range(1, 4))
    return folder


@pytest.mark.parametrize("form", ["ua-mt", "laseg"])
@pytest.mark.parametrize("kind", ["whole.pth", "entry.pth", "whole.safetensors"])
@torch.no_grad()
def test_logits_are_those_of_the_original(form: str, kind: str, tmp_path: Path) -> None:
    original, file = trained(form, channels=2, classes=4), tmp_path / kind
    weights = original.state_dict()
    if kind.endswith("safetensors"):
        save_file(weights, file)
    else:
        torch.save({"epoch": 3, "state_dict": weights} if kind.startswith("entry") else weights, file)
    assert imported(file, tmp_path / "run", "--patch-size", "32,16,16", "--format", form) == 0
    model = tutelage.load(tmp_path / "run", device="cpu")
    images = torch.randn(2, 2, 32, 16, 16, generator=torch.Generator().manual_seed(1))
    expected = original(images)
    assert expected.std() > 0.1
    torch.testing.assert_close(model.network(images), expected, rtol=1e-5, atol=1e-5)
    assert isinstance(model, tutelage.ScanModel)
    assert model.classes == ("background", "1", "2", "3") and model.values == (0, 1, 2, 3)
    assert (model.task.patch_size, model.channels) == ((32, 16, 16), 2)


def test_the_record_and_the_output_say_what_is_assumed(
    file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert imported(file, tmp_path / "run") == 0
    said = capfd.readouterr().out
    assert "vnet-laseg, width 2, as in laseg, from the whole file: 205 tensors loaded" in said
    assert "left out: 0 tensors" in said
    assert "patches of 112 x 112 x 80 voxels, assumed, as in UA-MT; --patch-size changes this" in said
    assert "scans are standardized one by one, each as a whole (scan.intensity zscore)" in said
    assert "neither resampled nor cropped: this is assumed, since the file does not say how" in said
    assert "UA-MT's .h5 files are standardized already and need --intensity none" in said
    assert "classes: background, 1, 2; --classes renames them" in said
    assert f"to start training from it: --init-from {tmp_path / 'run'}\n" in said
    record = unsealed(tmp_path / "run" / "config.json")
    data, settings = record["data"], record["settings"]
    assert data["kind"] == "scans" and data["patch_size"] == [112, 112, 80] and data["label_values"] == [0, 1, 2]
    assert "image_size" not in data and data["classes"] == ["background", "1", "2"]
    assert (settings["network"]["name"], settings["network"]["width"]) == ("vnet-laseg", 2)
    assert settings["scan"]["intensity"] == "zscore" and settings["scan"]["patch_size"] == [112, 112, 80]
    assert (settings["scan"]["spacing"], settings["scan"]["crop"]) == ([], "none")
    assert record["imported"]["format"] == "laseg" and record["imported"]["left_out"] == {}
    assert tutelage.Run(tmp_path / "run").metrics["method"] == "imported"


def test_options_change_patch_preparation_and_names(
    file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "names.txt").write_text("nothing\natrium\nvein\n", encoding="utf-8")
    words = ["--patch-size", "32", "--intensity", "none", "--classes", str(tmp_path / "names.txt")]
    assert imported(file, tmp_path / "run", *words) == 0
    said = capfd.readouterr().out
    assert "patches of 32 x 32 x 32 voxels, as given" in said
    assert "scans are taken to be standardized already (scan.intensity none)" in said and ".h5" not in said
    assert f"--init-from {tmp_path / 'run'} --scan.intensity none" in said
    model = tutelage.load(tmp_path / "run", device="cpu")
    assert isinstance(model, tutelage.ScanModel)
    assert model.classes == ("nothing", "atrium", "vein") and model.task.patch_size == (32, 32, 32)
    assert model.scan.intensity == "none"


def test_extra_tensors_are_listed_and_two_classes_have_their_usual_names(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = trained().state_dict() | {"out_conv2.weight": torch.zeros(1, 2, 1, 1, 1)}
    torch.save(weights, tmp_path / "dual.pth")
    assert imported(tmp_path / "dual.pth", tmp_path / "run") == 0
    said = capfd.readouterr().out
    assert "vnet, width 2, as in ua-mt" in said
    assert "left out: 1 tensors\n  out_conv2.*: not part of the V-Net\n" in said
    assert "classes: background, foreground; " in said
    record = unsealed(tmp_path / "run" / "config.json")
    assert record["imported"]["left_out"] == {"out_conv2.weight": "not part of the V-Net"}


@pytest.mark.long
def test_the_commands_for_scans_take_it_like_any_run(
    file: Path, scans: Path, theirs: NaiveVNet, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert imported(file, run, "--patch-size", "32,32,24") == 0
    assert cli.run(["predict", str(run), str(scans), "--out", str(tmp_path / "masks"), "--device", "cpu"]) == 0
    mask = np.asarray(nibabel.load(tmp_path / "masks" / "scan-001.nii.gz").dataobj)
    assert mask.shape == nibabel.load(scans / "images" / "scan-001.nii.gz").shape and len(np.unique(mask)) > 1
    assert cli.run(["evaluate", str(run), str(scans), "--out", str(tmp_path / "m.json"), "--device", "cpu"]) == 0
    assert json.loads((tmp_path / "m.json").read_text())["n"] == 3
    words = ["--method", "supervised", "--steps", "1", "--batch-size", "2", "--device", "cpu", "--no-report"]
    words += ["--scan.patch-size", "16", "--optimizer.lr", "1e-12", "--workers", "0"]
    out = tmp_path / "trained"
    assert cli.run(["train", str(scans), "--out", str(out), "--init-from", str(run), *words]) == 0
    said = capfd.readouterr().out
    assert f"the network is that of {run}: vnet-laseg" in said
    assert f"205 of 205 tensors come from {run} (step 0)" in said
    started = tutelage.load(out, network="student", device="cpu").network.state_dict()
    torch.testing.assert_close(started["head.weight"], theirs.state_dict()["out_conv.weight"])


@torch.no_grad()
def test_a_scan_is_standardized_as_a_whole_before_the_network_sees_it(
    file: Path, theirs: NaiveVNet, tmp_path: Path
) -> None:
    assert imported(file, tmp_path / "run", "--patch-size", "32,32,24") == 0
    model = tutelage.load(tmp_path / "run", device="cpu")
    assert isinstance(model, tutelage.ScanModel)
    image = np.random.default_rng(0).normal(300.0, 50.0, (32, 32, 24)).astype(np.float32)
    made = model.predict(image, spacing=0.625, probabilities=True).probabilities[0]
    standardized = (image - image.mean(dtype=np.float64)) / image.std(dtype=np.float64)
    expected = theirs(torch.from_numpy(standardized).float()[None, None]).softmax(1)[0]
    assert made is not None and expected.std() > 0.05
    np.testing.assert_allclose(made, expected.numpy(), rtol=0.0, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--mean", "0.5"], "--mean is for networks on images, and {file} contains a V-Net, which segments scans"),
        (["--std", "0.5"], "--std is for networks on images"),
        (["--image-size", "32"], "--image-size is for networks on images"),
        (["--trained-on", "cifar10"], "--trained-on is for networks on images"),
        (["--which", "key"], "--which key is for files of MoCo, and {file} contains a V-Net"),
        (["--format", "ua-mt"], "--format ua-mt: the V-Net in {file} has the strides of laseg"),
        (["--format", "moco"], "--format moco: the V-Net in {file} has the strides of laseg"),
        (["--patch-size", "112,112"], "--patch-size must be 3 numbers of voxels, or one for all axes, got 112,112"),
        (["--patch-size", "0"], "--patch-size must be 3 numbers of voxels, or one for all axes, got 0"),
        (["--patch-size", ""], "--patch-size must be 3 numbers of voxels"),
        (["--patch-size", "big"], "--patch-size must be an integer, got 'big'"),
        (
            ["--patch-size", "112,112,84"],
            "--patch-size 112,112,84: vnet-laseg expects sizes that are multiples of (16, 16, 8), got (112, 112, 84); "
            "the nearest is (112, 112, 80)",
        ),
        (["--intensity", "z-score"], "--intensity must be one of auto, zscore, zscore-nonzero, percentile, ct, none"),
        (["--classes", "{root}/few.txt"], "--classes {root}/few.txt must contain 3 different names, got 2"),
    ],
)
def test_wrong_options_are_refused_and_leave_nothing(
    words: list[str], message: str, file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "few.txt").write_text("a\nb\n")
    assert imported(file, tmp_path / "run", *(word.format(root=tmp_path) for word in words)) == 2
    assert message.format(file=file, root=tmp_path) in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_other_networks_are_refused_and_leave_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    weights = trained().state_dict()
    file = tmp_path / "c.pth"
    for content, message in (
        ({**weights, "block_two.conv.0.weight": torch.zeros(3)}, "first block_two.conv.0.weight (expected (4, 4, 3, "),
        ({name: v for name, v in weights.items() if "running" not in name}, "has a V-Net without batch norm"),
        (
            {name: v for name, v in weights.items() if "out" not in name},
            "2 of 176 tensors are missing, first out_conv.",
        ),
        (
            {"layer1.weight": torch.zeros(1)},
            f"{file} contains no network that can be imported: expected a wide residual network of a FixMatch port "
            "(conv1.weight, block1.layer.0.conv1.weight, ...), an encoder of MoCo (encoder_q.conv1.weight, ...), or a "
            "V-Net of UA-MT (block_one.conv.0.weight, ...), got layer1.weight",
        ),
    ):
        torch.save(content, file)
        assert imported(file, tmp_path / "run") == 2
        said = capfd.readouterr().err
        assert message in said and said.count("tutelage: ") == 1
        assert not (tmp_path / "run").exists()


def test_code_in_a_file_is_never_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": trained().state_dict(), "args": MakesFolder(tmp_path / "mark")}, tmp_path / "c.pth")
    assert imported(tmp_path / "c.pth", tmp_path / "run") == 2
    assert "code from a file is never run" in capfd.readouterr().err
    assert not (tmp_path / "mark").exists() and not (tmp_path / "run").exists()


def test_slices_are_segmented_by_a_network_of_two_axes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.save(trained(dims=2).state_dict(), tmp_path / "c.pth")
    assert imported(tmp_path / "c.pth", tmp_path / "run") == 0
    assert "patches of 112 x 112 voxels, assumed" in capfd.readouterr().out
    model = tutelage.load(tmp_path / "run", device="cpu")
    assert isinstance(model, tutelage.ScanModel)
    (mask,) = model.predict(np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32), spacing=1.0).masks
    assert mask is not None and mask.shape == (40, 30)
