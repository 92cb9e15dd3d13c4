"""Models of scans that leave their run: windows of any size, and whole scans from what was exported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tutelage
from support.exports import ALONE, EXAMPLES
from support.runs import change_json
from tutelage.core.errors import ConfigError

FORMS = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt", "torch-export": ".pt2"}


@pytest.mark.long
def test_an_exported_model_segments_exactly_as_its_run(finished: Path, scans: Path, tmp_path: Path) -> None:
    done = tutelage.export(finished, out=tmp_path / "model", format="hf")
    assert done.checked and done.difference == 0.0
    file = scans / "test" / "images" / "c20.nii.gz"
    first, second = (
        tutelage.load(path).predict(file, probabilities=True).probabilities[0]  # type: ignore[union-attr, arg-type]
        for path in (finished, tmp_path / "model")
    )
    np.testing.assert_array_equal(first, second)  # type: ignore[arg-type]
    card = (tmp_path / "model" / "README.md").read_text()
    assert "pipeline_tag: image-segmentation" in card and "diagnosis" in card


def test_a_model_that_needs_masks_beside_the_scans_leaves_as_a_graph_only(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    change_json(run / "config.json", lambda config: config["settings"]["scan"].update(crop="mask", crop_masks="masks"))
    with pytest.raises(ConfigError, match="crops scans to the masks in masks, which would stay behind"):
        tutelage.export(run, out=tmp_path / "model", format="hf")


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_windows_of_any_size_that_the_network_takes_are_free_in_every_graph(
    form: Any, finished: Path, tmp_path: Path
) -> None:
    done = tutelage.export(finished, out=tmp_path / f"a{FORMS[form]}", format=form)  # one of its inputs is larger
    assert done.checked and done.difference < 1e-5
    assert bool(done.fixed) == (form == "torch-export")  # which takes the patch of 16, 1 at the bottom, for a constant


@pytest.mark.long
def test_the_example_of_scans_gives_the_probabilities_that_the_run_gives(
    finished: Path, make: Any, tmp_path: Path
) -> None:
    tutelage.export(finished, out=tmp_path / "heart.onnx", format="onnx")
    scan, _ = make.sphere(31, (20, 12, 37))
    np.save(tmp_path / "scan.npy", scan)
    script = ALONE + EXAMPLES["scan"] + "np.save('found.npy', (total / count)[(slice(None), *inside)])\n"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = tutelage.load(finished).predict(scan, spacing=1.0, probabilities=True)  # type: ignore[call-arg, arg-type]
    assert expected.probabilities[0].std() > 0.01  # type: ignore[union-attr]
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected.probabilities[0], atol=1e-4)  # type: ignore[union-attr]
