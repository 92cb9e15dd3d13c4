"""Exporting the model of a run: what is checked, refused and left behind. Each format is read by its own runtime."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import tutelage
from support.exports import few_pictures
from support.pictures import save_pictures
from tutelage import cli
from tutelage.core.errors import ConfigError, MissingExtra, RunError
from tutelage.inference.export import export as exporting
from tutelage.inference.export.formats.base import GraphFormat
from tutelage.inference.export.portable import Portable, Run

GRAPHS = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt", "torch-export": ".pt2"}


class Lying(GraphFormat):
    """A format whose files answer a little otherwise than the model."""

    name, ending = "lying", ".lie"
    by: ClassVar[float] = 2e-4

    def write(self, model: Portable, file: Path, facts: Mapping[str, str]) -> None:
        file.write_text("a lie")

    def open(self, file: Path, model: Portable) -> Run:
        return lambda batch: (model.answer(batch) + self.by).astype(np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tutelage.Run:
    return few_pictures(tmp_path_factory.mktemp("exports"))


@pytest.fixture
def lying(monkeypatch: pytest.MonkeyPatch) -> Lying:
    monkeypatch.setitem(exporting.GRAPHS, "lying", Lying())
    monkeypatch.setattr(exporting, "FORMATS", (*exporting.FORMATS, "lying"))
    return Lying()


def export(run: Any, out: Path, form: Any, **more: Any) -> tutelage.Exported:
    return tutelage.export(run, out=out, format=form, **more)


@pytest.mark.parametrize("by", [2e-4, float("nan")])
def test_a_file_that_answers_otherwise_is_not_written_and_nothing_is_left(
    by: float, run: tutelage.Run, lying: Lying, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lying, "by", by)
    with pytest.raises(RunError, match=r"the model answers otherwise than in .*, above 1e-04$"):
        export(run, tmp_path / "a.lie", "lying")
    assert not list(tmp_path.iterdir())
    (tmp_path / "a.lie").write_text("mine")
    with pytest.raises(RunError, match="answers otherwise"):
        export(run, tmp_path / "a.lie", "lying", overwrite=True)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["mine"]


def test_a_difference_within_the_tolerance_is_told(
    run: tutelage.Run, lying: Lying, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lying, "by", 5e-5)
    done = export(run, tmp_path / "a.lie", "lying")
    assert done.difference == pytest.approx(5e-5, rel=0.01)
    assert [file.name for file in tmp_path.iterdir()] == ["a.lie"]


def test_a_torch_graph_has_the_probabilities_of_the_model_and_says_what_it_is(
    run: tutelage.Run, tmp_path: Path
) -> None:
    done = export(run, tmp_path / "a.pt", "torchscript")
    assert done.checked and done.inputs == 12 and done.difference < 1e-5
    facts = dict.fromkeys(("classes", "image_size", "resize", "input", "checked", "tutelage_version"), "")
    with warnings.catch_warnings(action="ignore"):  # PyTorch has deprecated the form
        graph = torch.jit.load(tmp_path / "a.pt", _extra_files=facts)
    assert json.loads(facts["classes"]) == ["cat", "dog"]
    assert (facts["image_size"], facts["input"]) == (b"16", b"images")
    assert facts["checked"] == b"12 inputs of real data"
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    expected = run.model().predict(images).probabilities  # type: ignore[union-attr, arg-type]
    np.testing.assert_allclose(graph(torch.from_numpy(images)).detach().numpy(), expected, atol=1e-5)


@pytest.mark.long
def test_without_the_data_a_file_is_written_and_said_to_be_unchecked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = few_pictures(tmp_path)
    (tmp_path / "pictures").rename(tmp_path / "elsewhere")
    words = ["export", str(run.path), "--format", "torchscript", "--out", str(tmp_path / "a.pt")]
    assert cli.run(words) == 0
    said = capfd.readouterr().out
    assert "NOT checked on real inputs, since the data of the run cannot be read:" in said
    assert "no such file or folder" in said and "--check DATA" in said
    assert cli.run([*words, "--overwrite", "--check", str(tmp_path / "elsewhere")]) == 0
    assert "- checked on 12 real inputs" in capfd.readouterr().out
    assert cli.run([*words, "--overwrite", "--check", str(tmp_path / "nowhere")]) == 2
    assert (tmp_path / "a.pt").exists()


WRONG = {
    "an unknown format": (["--format", "onx", "--out", "a.onnx"], "did you mean 'onnx'"),
    "another ending": (["--format", "onnx", "--out", "a.pt"], "the name must end in .onnx"),
    "a folder": (["--format", "onnx", "--out", "pictures"], "is a folder; name a file"),
    "a folder that is missing": (["--format", "torchscript", "--out", "no/a.pt"], "there is no folder"),
    "a file that exists": (["--format", "torchscript", "--out", "there.pt"], "exists; name another file"),
    "weights that exist": (["--format", "openvino", "--out", "there.xml"], "there.bin exists"),
    "a folder of something else": (["--format", "hf", "--out", "pictures", "--overwrite"], "holds cat"),
    "a file as a folder": (["--format", "hf", "--out", "there.pt", "--overwrite"], "is a file; name a folder"),
    "the run itself": (["--format", "hf", "--out", "run", "--overwrite"], "which no exported model has"),
    "a network that is not there": (
        ["--format", "torchscript", "--out", "a.pt", "--network", "nobody"],
        "--network must be one of auto, student, teacher",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_destination_is_refused_in_one_line_before_the_work(
    name: str, run: tutelage.Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(run.path.parent)
    for there in ("there.pt", "there.bin"):
        Path(there).write_text("mine")
    before = sorted(Path().iterdir())
    words, message = WRONG[name]
    assert cli.run(["export", "run", *words]) == 2
    said = capfd.readouterr().err
    assert message in said and len(said.splitlines()) == 1
    assert sorted(Path().iterdir()) == before and Path("there.pt").read_text() == "mine"


def test_an_export_never_replaces_its_data_or_its_run(run: tutelage.Run, tmp_path: Path) -> None:
    data = tmp_path / "data.safetensors"
    data.write_bytes(b"mine")
    with pytest.raises(RunError, match="is never replaced"):
        export(run, data, "safetensors", check=data, overwrite=True)
    backbone = run.path / "backbone.safetensors"
    backbone.write_bytes(b"mine")
    try:
        with pytest.raises(RunError, match="is never replaced"):
            export(run, backbone, "safetensors", overwrite=True)
        assert backbone.read_bytes() == data.read_bytes() == b"mine"
    finally:
        backbone.unlink()


def test_a_folder_is_replaced_as_a_whole_when_asked(run: tutelage.Run, tmp_path: Path) -> None:
    out = tmp_path / "model"
    export(run, out, "hf")
    (out / "README.md").unlink()
    with pytest.raises(RunError, match="exists; name another folder"):
        export(run, out, "hf")
    export(run, out, "hf", overwrite=True)
    assert (out / "README.md").read_text().startswith("---\n")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_format_whose_package_is_missing_names_the_extra(
    run: tutelage.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"needs the package 'onnx': pip install 'tutelage\[export\]'"):
        export(run, tmp_path / "a.onnx", "onnx")


@pytest.mark.long
def test_an_own_network_leaves_as_a_graph_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "examples"))
    run = few_pictures(tmp_path, network="own_network:PlainNet")
    assert export(run, tmp_path / "a.pt", "torchscript").difference < 1e-5
    for form, out in (("hf", "model"), ("safetensors", "a.safetensors")):
        with pytest.raises(ConfigError, match="own_network:PlainNet is code of another package"):
            export(run, tmp_path / out, form)


@pytest.mark.long
@pytest.mark.parametrize(
    "form", [form if form == "onnx" else pytest.param(form, marks=pytest.mark.slow) for form in GRAPHS]
)
@pytest.mark.parametrize("kind", ["photos", pytest.param("joined", marks=pytest.mark.slow), "encoder", "scratch"])
def test_every_kind_of_image_model_leaves_as_every_graph(kind: str, form: str, runs: dict[str, Path]) -> None:
    run = runs[kind]
    done = export(run, run.with_name(f"{kind}{GRAPHS[form]}"), form)
    assert done.checked and done.inputs >= 12 and done.difference <= 1e-4


@pytest.mark.long
@pytest.mark.parametrize("kind", ["photos", "joined", "encoder"])
def test_every_kind_of_image_model_is_read_back(kind: str, runs: dict[str, Path]) -> None:
    out = runs[kind].with_name(f"{kind}-folder")
    done = export(runs[kind], out, "hf")
    assert done.checked and done.difference == 0.0
    data = runs[kind].with_name("data.npz")
    np.testing.assert_array_equal(*(tutelage.embed(path, data).filter(regex=r"f\d+") for path in (out, runs[kind])))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A head on a frozen network, one on two of them, an encoder without labels, and a small network."""
    root = tmp_path_factory.mktemp("kinds")
    data = save_pictures(root / "data.npz", 36, labels=18)
    short: dict[str, Any] = {"steps": 4, "device": "cpu"}
    frozen = {"image_size": 32, "method": "softmatch", "settings": {"train.freeze": "all"}, **short}
    tutelage.train(data, out=root / "photos", network="efficientnet-lite0", **frozen)
    tutelage.train(data, out=root / "joined", network="efficientnet-lite0+efficientnet-lite1", **frozen)
    tutelage.train(data, out=root / "scratch", network="small", method="fixmatch", **short)
    tutelage.pretrain(data, out=root / "encoder", method="moco-v2", batch_size=16, steps=4, device="cpu")
    return {name: root / name for name in ("photos", "joined", "encoder", "scratch")}
