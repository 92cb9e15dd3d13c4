"""MoCo's published checkpoints as encoders: the features are torchvision's, and no code in them is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision import models

import tutelage
from support.imports import MakesFolder, imported
from support.runs import unsealed
from tutelage import cli
from tutelage.core.errors import ConfigError
from tutelage.inference.images.encoder import Encoder

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def published(version: int, seed: int, depth: int = 50) -> tuple[nn.Module, dict[str, Tensor]]:
    """A network as MoCo's code builds it, with statistics of its own, and its state."""
    torch.manual_seed(seed)
    network: Any = {18: models.resnet18, 50: models.resnet50}[depth](num_classes=128)
    if version == 2:
        width = network.fc.in_features
        network.fc = nn.Sequential(nn.Linear(width, width), nn.ReLU(), network.fc)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval(), network.state_dict()


def checkpoint(file: Path, version: int = 2, depth: int = 50) -> dict[str, nn.Module]:
    """As MoCo's training saves it: both encoders under the parallel module, the queue, the optimizer; gives both."""
    networks, state = {}, {}
    for seed, (which, prefix) in enumerate((("query", "encoder_q"), ("key", "encoder_k"))):
        networks[which], tensors = published(version, seed, depth)
        state |= {f"module.{prefix}.{name}": value for name, value in tensors.items()}
    state |= {"module.queue": torch.randn(128, 32), "module.queue_ptr": torch.zeros(1, dtype=torch.int64)}
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], 0.03, momentum=0.9).state_dict()
    torch.save({"epoch": 200, "arch": f"resnet{depth}", "state_dict": state, "optimizer": optimizer}, file)
    return networks


@torch.no_grad()
def expected_features(network: nn.Module, pixels: np.ndarray) -> tuple[Tensor, Tensor]:
    """The standardized images, and torchvision's features of them."""
    x = torch.from_numpy(pixels).float() / 255
    x = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    network.fc = nn.Identity()
    return x, network(x)


@pytest.mark.long
@pytest.mark.parametrize(("version", "words", "which"), [(1, [], "query"), (2, ["--which", "key"], "key")])
def test_features_are_those_of_torchvision(version: int, words: list[str], which: str, tmp_path: Path) -> None:
    networks = checkpoint(tmp_path / "moco.pth.tar", version)
    assert imported(tmp_path / "moco.pth.tar", tmp_path / "run", *words) == 0
    encoder = Encoder.load(tmp_path / "run", device="cpu")
    assert (encoder.image_size, encoder.channels) == (224, 3)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), np.uint8)
    x, expected = expected_features(networks[which], pixels)
    with torch.no_grad():
        torch.testing.assert_close(encoder.network.features(x), expected, rtol=1e-5, atol=1e-5)
    found = encoder.features(pixels)  # which rounds otherwise while it standardizes
    torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-5 * float(expected.abs().max()))
    assert found.shape == (2, 2048)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of a ResNet-18."""
    folder = tmp_path_factory.mktemp("small")
    checkpoint(folder / "moco.pth.tar", depth=18)
    assert imported(folder / "moco.pth.tar", folder / "run") == 0
    return folder / "run"


def test_the_record_says_what_was_left_out(small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert imported(small.parent / "moco.pth.tar", tmp_path / "run", "--format", "moco") == 0
    said = capfd.readouterr().out
    assert "resnet-18, from its entry state_dict: 120 tensors loaded" in said
    assert "encoder_q.*: the projection head, which is not a classifier" in said
    assert "images of 224 pixels, standardized as for ImageNet" in said
    record = unsealed(small / "config.json")
    assert record["settings"]["network"]["name"] == "resnet-18" and record["settings"]["network"]["stem"] == "large"
    assert record["data"]["classes"] == [] and record["imported"]["format"] == "moco"
    assert record["imported"]["left_out"]["queue"] == "part of the training state, not of an encoder"
    assert record["imported"]["left_out"]["encoder_k.conv1.weight"] == "part of the other encoder"


@pytest.mark.long
def test_a_training_starts_from_it_with_its_network_and_its_normalization(
    small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=draw.integers(0, 256, (8, 32, 32, 3), np.uint8), y=np.arange(8) % 2)
    words = ["--method", "supervised", "--steps", "1", "--batch-size", "2", "--device", "cpu", "--train.freeze", "all"]
    out = ["--out", str(tmp_path / "b"), "--no-report"]
    assert cli.run(["train", str(tmp_path / "data.npz"), *words, *out, "--init-from", str(small)]) == 0
    said = capfd.readouterr().out
    assert f"the network is that of {small}: resnet-18" in said
    assert "120 of 122 tensors come from" in said
    assert "new, since it was pretrained without classes: head.weight, head.bias" in said
    config = tutelage.Run(tmp_path / "b").config
    assert config["data"]["mean"] == pytest.approx([255 * m for m in MEAN])
    before, after = (Encoder.load(run, device="cpu").network.state_dict() for run in (small, tmp_path / "b"))
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("head."))


@pytest.mark.long
def test_it_embeds_and_refuses_to_predict(small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "data.npz", x=np.zeros((2, 16, 16, 3), np.uint8))
    words = [str(small), str(tmp_path / "data.npz"), "--device", "cpu"]
    assert cli.run(["embed", *words, "--out", str(tmp_path / "e.npz")]) == 0
    with np.load(tmp_path / "e.npz") as arrays:
        assert arrays["features"].shape == (2, 512)
    assert tutelage.load(small, device="cpu").embed(tmp_path / "data.npz").shape == (2, 514)
    capfd.readouterr()
    assert cli.run(["predict", *words, "--out", str(tmp_path / "p.csv")]) == 2
    assert "predicts no classes" in capfd.readouterr().err
    with pytest.raises(ConfigError, match="predicts no classes"):
        tutelage.load(small, device="cpu").predict(tmp_path / "data.npz")


def test_code_in_a_file_is_never_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _, tensors = published(1, 0, 18)
    state = {f"module.encoder_q.{name}": value for name, value in tensors.items()}
    torch.save({"state_dict": state, "args": MakesFolder(tmp_path / "mark")}, tmp_path / "c.pth")
    assert imported(tmp_path / "c.pth", tmp_path / "run") == 2
    assert "code from a file is never run" in capfd.readouterr().err
    assert not (tmp_path / "mark").exists() and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "usb"], "--format usb: the encoder_q in {file} comes from moco"),
        (["--format", "laseg"], "--format laseg: the encoder_q in {file} comes from moco"),
        (["--patch-size", "32"], "--patch-size is for networks on scans, and {file} contains an encoder of images"),
        (["--intensity", "none"], "--intensity is for networks on scans, and {file} contains an encoder of images"),
        (["--which", "model"], "--which model: the encoders in {file} are query and key"),
        (["--trained-on", "cifar10"], "--trained-on cifar10 is for classifiers"),
        (["--classes", "names.txt"], "--classes names.txt: the encoder in {file} has no classes to name"),
        (["--mean", "0.5,0.5,0.5"], "--mean and --std go together"),
        (["--mean", "0.5", "--std", "0.5"], "--mean must be 3 numbers, one per channel"),
        (["--image-size", "1"], "--image-size must be in [4, 4096]"),
    ],
)
def test_wrong_options_are_refused_and_leave_nothing(
    words: list[str], message: str, small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = small.parent / "moco.pth.tar"
    assert imported(file, tmp_path / "run", *words) == 2
    assert message.format(file=file) in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_another_network_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _, tensors = published(1, 0, 18)
    state = {f"encoder_q.{name}": value for name, value in tensors.items()}
    torch.save(state | {"encoder_q.conv1.weight": torch.zeros(64, 3, 5, 5)}, tmp_path / "c.pth")
    assert imported(tmp_path / "c.pth", tmp_path / "run") == 2
    assert "is not a resnet-18 of MoCo: 1 tensors differ, first trunk.conv1.weight (expected (64, 3, 7, 7), got" in (
        capfd.readouterr().err
    )
    torch.save({name: value for name, value in state.items() if ".layer4." not in name}, tmp_path / "c.pth")
    assert imported(tmp_path / "c.pth", tmp_path / "run") == 2
    assert "is neither a ResNet-18 nor a ResNet-50: its four groups have (2, 2, 2, 0) blocks" in capfd.readouterr().err
    torch.save(state, tmp_path / "c.pth")
    assert imported(tmp_path / "c.pth", tmp_path / "run", "--which", "key") == 2
    assert "has no key encoder: expected encoder_k.conv1.weight" in capfd.readouterr().err
