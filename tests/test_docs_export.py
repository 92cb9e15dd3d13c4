"""The examples of docs/export.md, on exported models; those of ONNX and OpenVINO run where nobody can import torch."""

from __future__ import annotations

import ast
import subprocess
import sys
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


@pytest.mark.long
@pytest.mark.parametrize("form", FILES)
def test_the_example_of_a_format_predicts_what_the_run_predicts(form: str, run: tutelage.Run, tmp_path: Path) -> None:
    tutelage.export(run, out=tmp_path / FILES[form], format=form)  # type: ignore[arg-type]
    draw = np.random.default_rng(5)
    for dark, name in ((30, "cat"), (190, "dog")):
        levels = draw.integers(0, 60, (40, 50, 3)) + dark
        Image.fromarray(levels.astype(np.uint8)).save(tmp_path / "new.jpg", quality=95)
        found = tutelage.predict(run, tmp_path / "new.jpg")
        start = ALONE if form in ("onnx", "openvino") else "import warnings\nwarnings.simplefilter('ignore')\n"
        done = subprocess.run(
            [sys.executable, "-c", start + EXAMPLES[form]], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        label, confidence = done.stdout.split()
        assert label == found.labels[0], name  # type: ignore[union-attr]
        assert float(confidence) == pytest.approx(float(found.confidence[0]), abs=0.02)  # type: ignore[union-attr]
