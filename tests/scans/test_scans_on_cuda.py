"""Scans on a GPU: a step never waits for it, and windows give the CPU's probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import tutelage
from tutelage.methods import METHODS
from tutelage.methods.base import Method

pytestmark = pytest.mark.usefixtures("cuda")
SEGMENTERS = [method for method in METHODS if "segmentation" in method.tasks]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", SEGMENTERS, ids=lambda m: m.name)
def test_a_step_never_waits_for_the_device(
    method: type[Method], precision: str, make: Any, scans: Path, no_waiting: list[int], tmp_path: Path
) -> None:
    given = {"method.name": method.name, "train.device": "cuda", "train.precision": precision, "train.steps": 6}
    run = tutelage.train(scans, out=tmp_path / "a", settings=make.brief | given)
    assert no_waiting == list(range(2, 6))
    assert np.isfinite([line["loss"] for line in run.history() if "loss" in line]).all()


def test_a_run_of_the_gpu_segments_on_a_cpu_as_it_does_there(make: Any, scans: Path, tmp_path: Path) -> None:
    run = tutelage.train(scans, out=tmp_path / "a", settings=make.brief | {"train.device": "cuda", "train.steps": 30})
    cases = sorted((scans / "test" / "images").iterdir())
    for device in ("cuda", "cpu"):
        run.model(device=device).predict(cases[0].parent, out=tmp_path / device, probabilities=True)
    tables = [sorted((tmp_path / device).glob("*.probs.nii.gz")) for device in ("cuda", "cpu")]
    assert len(tables[0]) == len(tables[1]) == len(cases)
    for there, here in zip(*tables, strict=True):
        one, other = (np.asarray(nibabel.load(path).dataobj) for path in (there, here))
        np.testing.assert_allclose(one, other, atol=5e-3)
