"""Exported models as they are read: like runs, and never trusted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import tutelage
from support.exports import few_pictures
from support.runs import change_json
from tutelage import cli
from tutelage.core.errors import CheckpointError, MissingExtra, RunError
from tutelage.inference import hub
from tutelage.run.exported import WEIGHTS, exported_bytes, file_config

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tutelage.Run:
    return few_pictures(tmp_path_factory.mktemp("exported"))


@pytest.fixture
def folder(run: tutelage.Run, tmp_path: Path) -> Path:
    tutelage.export(run, out=tmp_path / "model", format="hf")
    return tmp_path / "model"


@pytest.mark.parametrize("form", ["hf", "safetensors"])
def test_an_exported_model_predicts_exactly_as_its_run(run: tutelage.Run, tmp_path: Path, form: Any) -> None:
    out = tmp_path / ("model" if form == "hf" else "model.safetensors")
    done = tutelage.export(run, out=out, format=form)
    assert (done.difference, done.inputs, done.checked) == (0.0, 12, True)
    data = run.config["settings"]["data"]["path"]
    first, second = run.model().predict(data), tutelage.load(out).predict(data)  # type: ignore[arg-type]
    np.testing.assert_array_equal(first.probabilities, second.probabilities)  # type: ignore[union-attr]
    assert first.classes == second.classes
    assert tutelage.evaluate(out, data)["accuracy"] == tutelage.evaluate(run, data)["accuracy"]


def test_a_training_starts_from_an_exported_model_and_exports_again(
    run: tutelage.Run, folder: Path, tmp_path: Path
) -> None:
    data = run.config["settings"]["data"]["path"]
    more: dict[str, Any] = {"steps": 2, "batch_size": 4, "method": "supervised", "image_size": 16, "device": "cpu"}
    started = tutelage.train(data, out=tmp_path / "next", init_from=folder, **more)
    assert started.config["settings"]["network"]["name"] == "wrn-10-1"
    again = tutelage.export(folder, out=tmp_path / "again.safetensors", format="safetensors")
    assert not again.checked and again.difference == 0.0
    held, first = load_file(tmp_path / "again.safetensors"), load_file(folder / WEIGHTS)
    assert held.keys() == first.keys() and all(held[name].equal(first[name]) for name in first)
    tutelage.export(folder, out=tmp_path / "again", format="hf")
    assert "The weights were imported" in (tmp_path / "again" / "README.md").read_text()


def test_no_path_of_the_run_leaves_with_the_model(run: tutelage.Run, folder: Path) -> None:
    held = "".join((folder / name).read_text() for name in ("README.md", "config.json"))
    held += (folder / WEIGHTS).read_bytes()[: 2**16].decode("latin-1")
    assert str(run.path.parent) not in held and "pictures" not in held
    assert json.loads((folder / "config.json").read_text())["id2label"] == {"0": "cat", "1": "dog"}


FORGED: dict[str, tuple[Change, str]] = {
    "code as a network": (
        lambda config: config["settings"].update(network={"name": "evil:Network"}),
        "its network is code of another package",
    ),
    "code as a method": (
        lambda config: config["settings"]["method"].update(name="evil:Method"),
        "an exported model has no method",
    ),
    "code as a metric": (
        lambda config: config["settings"]["train"].update(metrics=["evil:metric"]),
        "its metrics are code of another package",
    ),
    "a file": (
        lambda config: config["settings"]["network"].update(weights="/etc/passwd"),
        r"it names a file, network\.weights",
    ),
    "a section that is a text": (lambda config: config["settings"].update(train="x"), "is damaged"),
    "settings that are a list": (lambda config: config.update(settings=[]), "has no settings"),
    "a formula as a class": (lambda config: config["data"].update(classes=["=1+1", "dog"]), "starts with '='"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_model_is_refused_before_anything_is_imported(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    change, message = FORGED[name]
    change_json(folder / "config.json", change)
    with pytest.raises(
        RunError, match=f"config.json is damaged.*{message}" if "is damaged" not in message else message
    ):
        tutelage.load(folder)
    config = file_config(folder / WEIGHTS)
    config.pop("sha256")
    change(config)
    Path("forged.safetensors").write_bytes(exported_bytes(load_file(folder / WEIGHTS), config, {}))
    with pytest.raises(RunError, match=message):
        tutelage.load("forged.safetensors")
    assert not Path("ran").exists()


def test_settings_that_were_changed_are_noticed(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"dog"', '"cow"'))
    with pytest.raises(RunError, match="does not match its sha256"):
        tutelage.load(folder)


def test_a_flipped_bit_in_the_weights_is_noticed(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(CheckpointError, match="its tensors do not match their hash"):
        tutelage.load(folder)


def test_a_large_network_in_a_small_file_takes_no_memory(folder: Path) -> None:
    change_json(folder / "config.json", lambda config: config["settings"]["network"].update(name="wrn-2008-999"))
    with pytest.raises(
        CheckpointError, match=r"does not fit its network wrn-2008-999: it has 0\.\d MB, and the network"
    ):
        tutelage.load(folder)


def test_weights_of_other_sizes_are_refused(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    save_file({name: value[:1].contiguous() for name, value in tensors.items() if value.ndim}, folder / WEIGHTS)
    with pytest.raises(CheckpointError, match="do not fit its network"):
        tutelage.load(folder)


@pytest.mark.parametrize("content", [b"", b"\x00" * 8, b"\xff" * 64, b"\x02" + b"\x00" * 7 + b"[]"])
def test_a_file_without_a_model_is_refused_in_one_line(
    content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(content)
    assert cli.run(["predict", str(file), str(tmp_path), "--out", str(tmp_path / "p.csv")]) == 2
    said = capfd.readouterr().err
    assert len(said.splitlines()) == 1 and "x.safetensors" in said


def test_predictions_never_replace_an_exported_model(folder: Path, run: tutelage.Run) -> None:
    data = run.config["settings"]["data"]["path"]
    for out in (folder / WEIGHTS, folder / "config.json"):
        before = out.read_bytes()
        with pytest.raises(tutelage.TutelageError):
            tutelage.predict(folder, data, out=out, overwrite=True)
        assert out.read_bytes() == before


def test_only_a_name_of_which_nothing_exists_here_is_looked_up_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    assert hub.named_on_hub("me/cats")
    for name in ("runs/a", "cats", "a/b/c", "/me/cats", "../cats", "me/ca ts", "./me/cats/x"):
        assert not hub.named_on_hub(name), name
    with pytest.raises(RunError, match=r"runs/a is not a run folder: there is no such folder$"):
        tutelage.load("runs/a")


def test_without_the_hub_a_name_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.chdir(tmp_path)
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(RunError, match=r"^nobody/no-model is not a run folder: .* 127\.0\.0\.1 cannot be reached$"):
        tutelage.load("nobody/no-model")


def test_without_the_client_of_the_hub_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"tutelage\[export\]"):
        tutelage.load("nobody/no-model")
