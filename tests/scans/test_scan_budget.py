"""Runs on scans whose patches, spacing and scores are chosen for the time that there is."""

from __future__ import annotations

import dataclasses
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

import tutelage
from tutelage.core.console import screen
from tutelage.run.budget import Deadline
from tutelage.run.data_modules.scan_costs import ScoringTimes
from tutelage.run.data_modules.scans import ScanModule
from tutelage.run.method_by_name import resolved
from tutelage.run.resolve import absolute, resolve_training
from tutelage.run.session import open_session


def write(root: Path, count: int, side: int) -> Path:
    """Cubic scans, all labeled."""
    for number in range(count):
        label = np.zeros((side,) * 3, np.uint8)
        label[2 : side // 2, 2 : side // 2, 2 : side // 2 + number] = 1
        image = np.random.default_rng(number).normal(size=label.shape).astype(np.float32) + label
        for folder, array in (("images", image), ("labels", label)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), root / folder / f"c{number:02}.nii.gz")
    return root


@pytest.mark.long
def test_spacing_and_patch_that_were_chosen_are_recorded_and_hold_for_predictions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "scans", 4, 64)
    brief = {"network.width": 1, "train.steps": 2, "train.batch_size": 2, "train.workers": 0, "train.device": "cpu"}
    run = tutelage.train(source, out=tmp_path / "run", method="supervised", settings=brief, quiet=False)
    assert "resampled to 1.26 x 1.26 x 1.26 mm" in " ".join(capsys.readouterr().out.split())
    scan = run.config["settings"]["scan"]
    assert scan["spacing"] == [1.26] * 3 and scan["patch_size"] == [32] * 3 and scan["intensity"] == "zscore"
    assert run.config["settings"]["segmentation"]["overlap"] is None
    (mask,) = (tmp_path / "run" / "masks").glob("*.nii.gz")
    assert nibabel.load(mask).shape == (64, 64, 64)
    model = tutelage.load(tmp_path / "run")
    assert model.predict(source / "images" / "c00.nii.gz").masks[0].shape == (64, 64, 64)
    kept = tutelage.train(source, out=tmp_path / "kept", method="supervised", settings=brief | {"scan.patch_size": 16})
    assert kept.config["settings"]["scan"]["spacing"] == []


def test_scores_that_do_not_fit_are_of_fewer_cases_in_the_run_too(make: Any, tmp_path: Path) -> None:
    source = make.write(tmp_path / "scans" / "train", count=4, labeled=4).parent
    make.write(source / "test", count=5, labeled=5, first=20)
    settings = make.brief | {"data.path": str(source), "train.steps": None, "train.budget": "60s"}
    cfg = resolved(absolute(resolve_training({name: value for name, value in settings.items() if value is not None})))
    with ExitStack() as stack:
        session = open_session(stack, torch.device("cpu"), screen(quiet=True), ScanModule)
        module = session.module
        assert isinstance(module, ScanModule)
        cfg = session.settle(cfg, tmp_path)
        session.load(cfg, tmp_path)
        training = session.build(cfg)
        deadline = module.deadline = Deadline(time.monotonic(), "60s")
        module._timed = training.method.student, ScoringTimes(0.0, 3.0, 2, (16,) * 3, [(18,) * 3], [(18,) * 3] * 5)
        fitted = session.fit_scores(training, cfg, deadline)  # 6 cases of 2 networks: 36 s, of which 15 s fit
        assert fitted.segmentation == dataclasses.replace(cfg.segmentation, scored_cases=1)
        exams = module.final_exams(training, tmp_path)
        assert len(exams["test"]()) == 1 and module.costs(training, 1.0)[1] == pytest.approx(12.0)
        training.loader.close()
