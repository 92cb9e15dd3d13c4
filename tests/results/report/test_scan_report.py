"""Reports on runs on scans, of folders as a run leaves them; no network is trained for it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from support.runs import unsealed
from tutelage import config
from tutelage.config import RunConfig
from tutelage.core.errors import DataError
from tutelage.data.scans.formats.read import read_mask, read_volume
from tutelage.data.scans.mask_folder import MaskFolder
from tutelage.data.scans.phantoms import CLASSES, write_phantoms
from tutelage.data.scans.source import list_scans
from tutelage.results.report import write_report
from tutelage.results.report.repeat import train_command
from tutelage.results.report.scan_cases import read_segmented, worst_and_median
from tutelage.results.verdict.verdict import judge
from tutelage.run.method_by_name import resolved
from tutelage.run.run_record import RunRecord
from tutelage.run.scored import write_scored
from tutelage.tasks.segmentation_metrics import SegmentationMetrics

VALUES = (0, 1, 2)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three test scans; the first lies oblique in the world."""
    folder = tmp_path_factory.mktemp("scans <b>")
    write_phantoms(folder, range(3))
    return folder


def leave_run(run: Path, scans: Path, method: str, shift: int) -> Path:
    """A finished run whose masks are the references, shifted by a number of voxels."""
    cfg = resolved(
        config.resolve(
            {"data.path": str(scans), "train.steps": 200, "method.name": method}, preset=f"{method}-scan-cpu"
        )
    )
    metrics, folder = SegmentationMetrics(CLASSES), MaskFolder(run / "masks", CLASSES, VALUES)
    for number, case in enumerate(list_scans(str(scans)).cases):
        assert case.label is not None
        geometry, label = read_volume(case.images[0])[1], read_mask(case.label)[0].astype(np.int64)
        mask = np.roll(label, shift * (number + 1), 0)
        metrics.update(
            torch.from_numpy(mask)[None], torch.from_numpy(label)[None], spacing=geometry.spacing, names=[case.name]
        )
        folder.add(case, mask, geometry)
    folder.close()
    scores = metrics.compute()
    environment = {"tutelage": "0", "processes": 1}
    data = {"kind": "scans", "classes": CLASSES, "channels": 1, "patch_size": [48, 48, 48], "label_values": VALUES}
    recorded = {
        "settings": cfg.to_dict(),
        "plan": {"steps": 200, "budget": None},
        "data": data | {"fingerprint": "0" * 32, "parts": {"train": {"images": 24}}, "notes": []},
        "environment": environment,
    }
    split = {"classes": CLASSES, "labeled": ["a", "b"], "held_out": [], "unlabeled_images": 24}
    result = {"method": method, "evaluated": "teacher", "headline": "dice"}
    result |= {"test": {"teacher": scores, "student": scores}}
    rows: list[dict[str, Any]] = [
        {"step": step, "kind": "training", "supervised": 0.2, "consistency_weight": 0.1, "mask_rate": 0.5}
        for step in (50, 100, 200)
    ]
    rows += [{"step": s, "kind": "validation", "teacher": {"dice": s / 400}, "student": {}} for s in (50, 200)]
    for name, content in (("config", recorded), ("split", split), ("result", result)):
        (run / f"{name}.json").write_text(json.dumps({"format": 1, **content} if name == "config" else content))
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_scored(run, {"test": metrics.items()})
    return run


@pytest.fixture(scope="module")
def run(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return leave_run(tmp_path_factory.mktemp("runs") / "ua-mt <i>", scans, "ua-mt", 1)


@pytest.fixture(scope="module")
def baseline(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return leave_run(tmp_path_factory.mktemp("runs") / "supervised", scans, "supervised", 2)


def test_a_case_is_read_back_in_ras_with_mask_and_reference_in_place(run: Path, scans: Path) -> None:
    case = read_segmented(RunRecord(run), "scan-000")
    label = read_mask(scans / "labels" / "scan-000.nii.gz")[0]
    assert case.oriented
    assert np.array_equal(case.reference, label)  # the made-up scans lie near RAS already
    assert np.array_equal(case.prediction, np.roll(label, 1, 0))
    assert case.image.shape == label.shape
    assert case.spacing == pytest.approx(read_volume(scans / "images" / "scan-000.nii.gz")[1].spacing)


def test_the_report_has_scores_conventions_curves_and_pictures(run: Path, tmp_path: Path) -> None:
    write_report([run], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    scores = unsealed(run / "result.json")["test"]["teacher"]
    assert f"{100 * scores['dice']:.1f}%" in page
    for text in ("HD95 pooled", "ASD to reference", "medpy", "MONAI", "scan-002", "Dice on the validation cases"):
        assert text in page
    assert "share of voxels certain enough to learn from" in page
    worst, median = (f"{which} case: scan-00{k}" for which, k in (("Worst", 2), ("Median", 1)))
    assert worst in page and median in page
    assert page.count("<image ") == 2 * (3 + 2)  # slices and surfaces
    assert "unlabeled images" not in page and "accuracy" not in page.lower()
    assert "<i>" not in page.partition("<title>")[2].partition("</title>")[0]
    assert "predict runs/" in page.replace("&#39;", "") and "--out masks/" in page


def test_a_run_that_is_not_finished_says_so(run: Path, tmp_path: Path) -> None:
    begun = shutil.copytree(run, tmp_path / "begun")
    (begun / "result.json").unlink()
    write_report([begun], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "This run is not finished" in page and "Learning curves" in page


@pytest.mark.long
def test_markdown_names_the_pictures_that_lie_beside_it(run: Path, tmp_path: Path) -> None:
    write_report([run], tmp_path / "report.md", format="md")
    text = (tmp_path / "report.md").read_text()
    for name in ("worst-slices", "worst-surfaces", "median-slices"):
        assert f"report_plots/{name}.png" in text
        assert (tmp_path / "report_plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.long
def test_several_runs_are_judged_by_their_cases_and_drawn_side_by_side(
    run: Path, baseline: Path, tmp_path: Path
) -> None:
    write_report([baseline, run], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    verdict = judge([(run, baseline)])
    assert verdict.headline in page
    assert verdict.headline.endswith("points of Dice (1 seed, 3 test cases)")
    assert "Did the unlabeled scans help?" in page
    assert "The worst case of supervised: scan-002" in page
    assert "Test Dice: mean ± standard deviation (number of runs)" in page


def test_where_the_scans_are_gone_the_report_says_so(run: Path, tmp_path: Path) -> None:
    table = run / "masks" / "cases.csv"
    kept = table.read_text()
    table.write_text(kept.replace("/images/scan-002", "/moved/scan-002"))
    try:
        write_report([run], tmp_path / "report.html")
        with pytest.raises(DataError, match="does not exist"):
            read_segmented(RunRecord(run), "scan-002")
    finally:
        table.write_text(kept)
    page = (tmp_path / "report.html").read_text()
    assert "Pictures need the masks in the run" in page and "does not exist" in page
    assert "HD95 pooled" in page


def test_the_worst_and_the_median_case_are_of_those_that_have_a_dice() -> None:
    dice = {"a": 0.9, "b": None, "c": 0.2, "d": 0.6, "e": 0.7}
    rows = [{"case": name, "dice": value} for name, value in dice.items()]
    assert worst_and_median(rows) == ["c", "e"]
    assert worst_and_median(rows[:2]) == ["a"]
    assert worst_and_median(rows[1:2]) == []


def test_the_command_holds_what_differs_from_the_preset_that_scans_start_from(run: Path) -> None:
    record = RunRecord(run)
    assert "--network" not in train_command(record) and "--steps 200" in train_command(record)
    plain = replace(record.cfg, network=replace(record.cfg.network, width=None))  # the network's own, not the preset's
    del record.cfg  # to be read from the changed settings
    record.config["settings"] = RunConfig.to_dict(plain)
    assert "--network.width none" in train_command(record)
