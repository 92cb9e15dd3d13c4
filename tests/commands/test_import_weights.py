"""Weights of other codes as run folders: what they hold, what they are good for, and what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

import tutelage
from reference import fixmatch_ports as ports
from support.imports import MakesFolder, imported
from support.runs import unsealed
from tutelage import cli


def state(port: str = "fixmatch-pytorch", seed: int = 0, num_classes: int = 10) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = ports.random_state(
        port, widths=(32, 64, 128), units=1, num_classes=num_classes, seed=seed
    )
    return weights


def checkpoint(file: Path, port: str = "fixmatch-pytorch") -> Path:
    """As the port's training loop saves it: model (seed 0), moving average (seed 1), optimizer, numbers."""
    names = ("state_dict", "ema_state_dict") if port == "fixmatch-pytorch" else ("model", "ema_model")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], 0.03, momentum=0.9)
    others = {"epoch": 1024, "acc": 95.2, "best_eval_acc": np.float64(0.957), "optimizer": optimizer.state_dict()}
    torch.save({names[0]: state(port, 0), names[1]: state(port, 1), **others}, file)
    return file


def photos(root: Path, classes: tuple[str, ...] = ("cat", "dog"), each: int = 3) -> Path:
    for label, name in enumerate(classes):
        for number in range(each):
            (root / name).mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(10 * label + number).integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.mark.parametrize(
    ("port", "mean", "std"),
    [
        ("fixmatch-pytorch", (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)),
        ("torchssl", (125.3 / 255, 123 / 255, 113.9 / 255), (63 / 255, 62.1 / 255, 66.7 / 255)),
        ("usb", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ],
)
@pytest.mark.parametrize(("words", "seed"), [((), 1), (("--which", "ema"), 1), (("--which", "model"), 0)])
def test_a_checkpoint_predicts_as_its_port_does_from_the_moving_average_unless_asked(
    port: str, mean: tuple[float, ...], std: tuple[float, ...], words: tuple[str, ...], seed: int, tmp_path: Path
) -> None:
    assert imported(checkpoint(tmp_path / "c.pth", port), tmp_path / "run", "--format", port, *words) == 0
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), np.uint8)
    x = torch.from_numpy(pixels).double() / 255
    x = (x - torch.tensor(mean).double().view(3, 1, 1)) / torch.tensor(std).double().view(3, 1, 1)
    weights = {name: value.double() for name, value in state(port, seed).items()}
    expected = ports.logits(port, weights, x).softmax(1)
    model = tutelage.load(tmp_path / "run", device="cpu")
    torch.testing.assert_close(model.probabilities(pixels).double(), expected, rtol=1e-4, atol=1e-5)
    assert model.classes[:3] == ("airplane", "automobile", "bird")


def test_the_record_is_honest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = checkpoint(tmp_path / "c.pth")
    assert imported(file, tmp_path / "run") == 0
    said = capfd.readouterr().out
    assert "wrn-10-2, wired as fixmatch-pytorch, from its entry ema_state_dict: " in said
    assert "block2.layer.0.bn1.*: computed but not used by this port" in said
    assert f"--network wrn-10-2 --network.wiring fixmatch-pytorch --init-from {tmp_path / 'run'}" in said
    record = unsealed(tmp_path / "run" / "config.json")
    assert record["settings"]["method"] == {"name": "imported"}
    assert record["data"]["fingerprint"] is None
    assert record["imported"]["file"] == "c.pth"
    assert record["imported"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert record["imported"]["entry"] == "ema_state_dict"
    assert len(record["imported"]["left_out"]) == 10
    assert tutelage.Run(tmp_path / "run").metrics["method"] == "imported"


@pytest.mark.parametrize("kind", ["flat.pt", "parallel.pt", "flat.safetensors"])
def test_a_bare_state_dict_is_taken_too_also_of_a_parallel_module(kind: str, tmp_path: Path) -> None:
    weights = state("usb")
    if kind == "parallel.pt":
        weights = {f"module.{name}": value for name, value in weights.items()}
    if kind.endswith("safetensors"):
        save_file(weights, tmp_path / kind)
    else:
        torch.save(weights, tmp_path / kind)
    assert imported(tmp_path / kind, tmp_path / "run") == 0
    head = tutelage.load(tmp_path / "run", device="cpu").network.state_dict()["head.weight"]
    assert torch.equal(head, state("usb")["classifier.weight"])


def test_an_imported_model_predicts_is_scored_and_starts_a_training(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, data = tmp_path / "run", photos(tmp_path / "photos")
    assert imported(checkpoint(tmp_path / "c.pth", "torchssl"), run) == 0
    assert cli.run(["predict", str(run), str(data), "--out", str(tmp_path / "p.csv")]) == 0
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 7
    assert cli.run(["evaluate", str(run), str(data), "--out", str(tmp_path / "m.json")]) == 0
    assert json.loads((tmp_path / "m.json").read_text())["n"] == 6
    words = ["--network", "wrn-10-2", "--network.wiring", "torchssl", "--init-from", str(run), "--device", "cpu"]
    train = ["train", str(data), "--method", "supervised", "--steps", "1", "--batch-size", "2", *words]
    assert cli.run([*train, "--optimizer.lr", "1e-12", "--out", str(tmp_path / "b")]) == 0
    assert f"tensors come from {run} (step 0); new, since the classes differ: head.weight, head.bias" in (
        capfd.readouterr().out
    )
    start = tutelage.load(tmp_path / "b", network="student", device="cpu").network.state_dict()
    torch.testing.assert_close(start["stem.weight"], state("torchssl", 1)["conv1.weight"])


def test_an_imported_model_is_no_run_to_go_on_with(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert imported(checkpoint(tmp_path / "c.pth"), tmp_path / "run") == 0
    assert cli.run(["train", "--resume", str(tmp_path / "run")]) == 2
    assert "was imported, not trained here: start a training from it with --init-from" in capfd.readouterr().err


def test_code_in_a_file_is_never_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": state(), "args": MakesFolder(tmp_path / "mark")}, tmp_path / "c.pth")
    assert imported(tmp_path / "c.pth", tmp_path / "run") == 2
    assert "mkdir, and code from a file is never run" in capfd.readouterr().err
    assert not (tmp_path / "mark").exists()
    torch.load(tmp_path / "c.pth", weights_only=False)
    assert (tmp_path / "mark").exists()  # so that the file would have run something
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 torn"])
@pytest.mark.parametrize("name", ["c.pth", "c.safetensors"])
def test_a_file_that_is_none_is_said_to_be_none(
    content: bytes, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert imported(tmp_path / name, tmp_path / "run") == 2
    what = "is not a readable safetensors file" if name.endswith(".safetensors") else "was not written by torch.save"
    what = "is a damaged zip archive" if content.startswith(b"PK") else what
    assert f"{tmp_path / name} {what}" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_names_mean_deviation_and_size_can_be_given(tmp_path: Path) -> None:
    torch.save(state("usb", num_classes=3), tmp_path / "c.pt")
    (tmp_path / "names.txt").write_text("ant\n bee \n\ncow\n", encoding="utf-8-sig")
    words = ["--mean", "0.5,0.25,0.1", "--std", "0.2,0.2,0.2", "--image-size", "40"]
    assert imported(tmp_path / "c.pt", tmp_path / "run", *words, "--classes", str(tmp_path / "names.txt")) == 0
    model = tutelage.load(tmp_path / "run", device="cpu")
    assert (model.classes, model.image_size) == (("ant", "bee", "cow"), 40)
    assert model.normalization.mean == pytest.approx((127.5, 63.75, 25.5))
    (tmp_path / "names.json").write_text('["x", "y", "z"]', encoding="utf-8-sig")
    words += ["--classes", str(tmp_path / "names.json"), "--overwrite"]
    assert imported(tmp_path / "c.pt", tmp_path / "run", *words) == 0
    assert tutelage.load(tmp_path / "run", device="cpu").classes == ("x", "y", "z")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--format", "tochssl"],
            "--format must be one of auto, fixmatch-pytorch, torchssl, usb, moco, ua-mt, laseg, got 'tochssl'; ",
        ),
        (["--format", "usb"], "--format usb: the biases in {file} are those of torchssl"),
        (["--format", "ua-mt"], "--format ua-mt: no V-Net in the file"),
        (["--patch-size", "32"], "--patch-size is for networks on scans, and {file} contains a classifier"),
        (["--intensity", "none"], "--intensity is for networks on scans, and {file} contains a classifier"),
        (["--which", "best"], "--which must be one of auto, ema, model"),
        (["--trained-on", "cifar"], "--trained-on must be one of auto, cifar10, cifar100, svhn, stl10, got 'cifar'"),
        (["--mean", "0.5,0.5,0.5"], "--mean and --std go together"),
        (["--mean", "0.5,0.5", "--std", "1,1"], "--mean must be 3 numbers, one per channel"),
        (["--mean", "0.5,0.5,125", "--std", "1,1,1"], "--mean must be in [0, 1]"),
        (["--mean", "0.5,0.5,0.5", "--std", "0,1,1"], "--std must be above 0"),
        (["--image-size", "2"], "--image-size must be in [4, 4096], got 2"),
        (["--classes", "{root}/none.txt"], "--classes {root}/none.txt cannot be read"),
        (["--classes", "{root}/few.txt"], "--classes {root}/few.txt must contain 10 different names, got 2"),
        (["--classes", "{root}/bad.txt"], "class name '=1' starts with '='"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused_and_leave_nothing(
    words: list[str], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "few.txt").write_text("a\nb\n")
    (tmp_path / "bad.txt").write_text("\n".join(["=1", *"bcdefghij"]))
    file = checkpoint(tmp_path / "c.pth", "torchssl")
    assert imported(file, tmp_path / "run", *(word.format(root=tmp_path) for word in words)) == 2
    assert message.format(file=file, root=tmp_path) in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_is_not_known_has_to_be_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.save(state("fixmatch-pytorch", num_classes=7), tmp_path / "c.pt")
    assert imported(tmp_path / "c.pt", tmp_path / "run") == 2
    said = capfd.readouterr().err
    assert (
        "it is not known how fixmatch-pytorch standardizes images of data with 7 classes: give --mean and --std" in said
    )
    torch.save({"state_dict": state(), "ema_state_dict": None}, tmp_path / "c.pt")
    assert imported(tmp_path / "c.pt", tmp_path / "run", "--which", "ema") == 2
    assert "has none of ema_state_dict, ema_model" in capfd.readouterr().err
    assert imported(tmp_path / "c.pt", tmp_path / "run") == 0


def test_data_with_ten_classes_may_be_named(tmp_path: Path) -> None:
    assert imported(checkpoint(tmp_path / "c.pth", "usb"), tmp_path / "run", "--trained-on", "svhn") == 0
    model = tutelage.load(tmp_path / "run", device="cpu")
    assert model.classes == tuple("0123456789")
    assert model.normalization.std == pytest.approx((44.6505, 45.1605, 44.472))


def test_a_run_that_is_there_is_replaced_on_request_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = checkpoint(tmp_path / "c.pth")
    assert imported(file, tmp_path / "run") == 0
    assert imported(file, tmp_path / "run") == 2
    assert "holds a run already" in capfd.readouterr().err
    assert imported(file, tmp_path / "run", "--overwrite", "--which", "model") == 0
