"""The examples of docs/export.md, on exported models; those of ONNX and OpenVINO run where nobody can import torch."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tutelage
from support.exports import ALONE, EXAMPLES, few_pictures

FILES = {
    "onnx": "cats.onnx",
    "openvino": "cats.xml",
    "torchscript": "cats.pt",
    "torch-export": "cats.pt2",
    "safetensors": "cats.safetensors",
    "hf": "cats",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tutelage.Run:
    return few_pictures(tmp_path_factory.mktemp("docs"), steps=20)


def statements(example: str) -> int:
    """The number of statements besides imports."""
    return sum(not isinstance(one, ast.Import | ast.ImportFrom) for one in ast.parse(example).body)


def test_every_format_has_an_example_of_ten_lines_at_most() -> None:
    assert {*EXAMPLES} == {*FILES, "scan"}
    assert all(statements(EXAMPLES[form]) <= 10 for form in FILES)


PHOTOS = ("cat", "dog")
BOTH = "import shutil\nfor photo in ('cat', 'dog'):\n    shutil.copy(f'{photo}.jpg', 'new.jpg')\n    exec(example)\n"


def answers(form: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the example of a format prints for each photo."""
    if form in ("onnx", "openvino"):
        script = f"{ALONE}example = {EXAMPLES[form]!r}\n{BOTH}"
        done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()
    monkeypatch.chdir(folder)
    said = io.StringIO()
    with redirect_stdout(said), warnings.catch_warnings(action="ignore"):  # PyTorch has deprecated TorchScript
        exec(BOTH, {"example": EXAMPLES[form]})
    return said.getvalue().splitlines()


@pytest.mark.long
@pytest.mark.parametrize("form", FILES)
def test_the_example_of_a_format_predicts_what_the_run_predicts(
    form: str, run: tutelage.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tutelage.export(run, out=tmp_path / FILES[form], format=form)  # type: ignore[arg-type]
    draw = np.random.default_rng(5)
    for dark, name in zip((30, 190), PHOTOS, strict=True):
        levels = draw.integers(0, 60, (40, 50, 3)) + dark
        Image.fromarray(levels.astype(np.uint8)).save(tmp_path / f"{name}.jpg", quality=95)
    found = tutelage.predict(run, [tmp_path / f"{name}.jpg" for name in PHOTOS])
    said = [line.split() for line in answers(form, tmp_path, monkeypatch)]
    assert [label for label, _ in said] == found.labels  # type: ignore[union-attr]
    expected = found.confidence  # type: ignore[union-attr]
    np.testing.assert_allclose([float(confidence) for _, confidence in said], expected, atol=0.02)
