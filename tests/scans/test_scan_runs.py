"""Runs on scans from start to end: train, resume, predict, evaluate."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import tutelage
from support.runs import unsealed
from support.starter import Starter
from tutelage import cli
from tutelage.core.console import screen
from tutelage.core.errors import ConfigError, RunError
from tutelage.data.scans.prepare import place, prepare
from tutelage.data.scans.reading import read_case
from tutelage.data.scans.source import list_scans
from tutelage.inference.scans.model import ScanModel
from tutelage.run.budget import Deadline
from tutelage.run.data_modules.scans import ScanModule
from tutelage.run.method_by_name import resolved
from tutelage.run.resolve import absolute, resolve_training
from tutelage.run.run_files import read_rows
from tutelage.run.session import open_session


def state(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / "step-00000004.safetensors")


def test_a_run_says_what_it_learned_from_and_how_good_it_is(finished: Path, scans: Path) -> None:
    config = unsealed(finished / "config.json")
    data = config["data"]
    assert data["kind"] == "scans" and data["patch_size"] == [16, 16, 16]
    assert data["classes"] == ["background", "1", "2"] and data["label_values"] == [0, 1, 2]
    assert config["settings"]["network"]["name"] == "vnet"  # of the preset that scans start from
    assert config["settings"]["network"]["width"] == 1  # as given
    assert config["settings"]["data"]["path"] == str(scans)
    split = unsealed(finished / "split.json")
    assert len(split["labeled"]) == 3 and len(split["held_out"]) == 1 and split["test_images"] == 2
    result = unsealed(finished / "result.json")
    assert result["headline"] == "dice" and result["evaluated"] == "teacher"
    assert {"validation", "test"} <= set(result) and result["test"]["teacher"]["n"] == 2
    assert [case["case"] for case in result["test"]["teacher"]["per_case"]] == ["c20", "c21"]
    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "validation"] == [2, 4]
    assert all("dice" in row["teacher"] for row in rows if row["kind"] == "validation")
    with np.load(finished / "scored.npz") as scored:
        assert scored["test_case"].tolist() == ["c20", "c21"]
        np.testing.assert_allclose(np.nanmean(scored["test_dice"]), result["test"]["teacher"]["dice"])


def test_masks_of_the_test_cases_lie_in_the_run_in_the_geometry_of_their_scans(
    make: Any, finished: Path, scans: Path
) -> None:
    with (finished / "masks" / "cases.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["case"] for row in rows] == ["c20", "c21"]
    assert json.loads((finished / "masks" / "labels.json").read_text()) == {"0": "background", "1": "1", "2": "2"}
    for row in rows:
        mask = nibabel.load(finished / "masks" / row["mask"])
        assert mask.shape == make.shape and mask.get_data_dtype() == np.uint8
        assert np.array_equal(mask.affine, nibabel.load(row["scan"]).affine)
        assert int(row["voxels_1"]) == int((np.asarray(mask.dataobj) == 1).sum())
        assert Path(row["label"]).is_file() and row["error"] == ""


def test_the_default_type_of_the_caller_does_not_matter(make: Any, finished: Path, scans: Path, tmp_path: Path) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        again = tutelage.train(scans, out=tmp_path / "again", settings=make.brief)
        model = tutelage.load(finished)
        scores = model.evaluate(scans)
        assert isinstance(model, ScanModel)
        model.predict(scans, out=tmp_path / "masks")
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert (again.path / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()
    assert scores.metrics == tutelage.load(finished).evaluate(scans).metrics


@pytest.mark.parametrize("method", ["mean-teacher", "ua-mt"])
def test_a_resumed_run_has_the_same_bits(make: Any, method: str, finished: Path, scans: Path, tmp_path: Path) -> None:
    settings = make.brief | {"method.name": method}
    whole = finished if method == "mean-teacher" else tmp_path / "whole"
    if method != "mean-teacher":
        tutelage.train(scans, out=whole, settings=settings)
    shutil.copytree(whole, tmp_path / "cut")
    manifest = unsealed(whole / "checkpoints" / "manifest.json")
    assert [entry["step"] for entry in manifest["checkpoints"]] == [2, 4]
    (tmp_path / "cut" / "result.json").unlink()
    (tmp_path / "cut" / "scored.npz").unlink()
    shutil.rmtree(tmp_path / "cut" / "masks")
    newest = tmp_path / "cut" / "checkpoints" / "step-00000004.safetensors"
    newest.write_bytes(newest.read_bytes()[:100])  # as if it was killed while step 4 was saved
    with pytest.warns(RuntimeWarning, match="damaged: step-00000004"):
        again = tutelage.train(resume=tmp_path / "cut")
    before, after = state(whole), state(again.path)
    assert set(before) == set(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    for name in ("metrics.jsonl", "result.json", "masks/c20.nii.gz", "masks/cases.csv"):
        assert (whole / name).read_bytes() == (again.path / name).read_bytes(), name


@pytest.mark.long
def test_a_run_that_a_signal_stopped_goes_on_to_the_same_bits(
    make: Any, scans: Path, starter: Starter, tmp_path: Path
) -> None:
    settings = make.brief | {"train.steps": 40, "train.log_every": 1, "train.eval_every": 20}
    flags = [word for name, value in settings.items() for word in (f"--{name}", str(value).strip("(),"))]
    stopped = tmp_path / "stopped"
    process = starter.start("-m", "tutelage", "train", scans, "--out", stopped, *flags, "--no-report")
    while process.poll() is None and not (stopped / "timing.jsonl").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 143, said
    assert f"continue with --resume {stopped}" in said
    assert len(read_rows(stopped / "timing.jsonl")) < 40
    tutelage.train(resume=stopped)
    tutelage.train(scans, out=tmp_path / "whole", settings=settings)
    before, after = (
        load_file(run / "checkpoints" / "step-00000040.safetensors") for run in (tmp_path / "whole", stopped)
    )
    assert set(before) == set(after) and all(torch.equal(before[name], after[name]) for name in before)
    assert (tmp_path / "whole" / "metrics.jsonl").read_bytes() == (stopped / "metrics.jsonl").read_bytes()


def test_a_changed_scan_or_setting_is_refused_on_resume(make: Any, finished: Path, scans: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    shutil.copytree(scans, tmp_path / "scans")
    config = unsealed(run / "config.json")
    config["settings"]["data"]["path"] = str(tmp_path / "scans")
    (run / "config.json").write_text(json.dumps(config))
    (run / "result.json").unlink()
    with pytest.raises(RunError, match=r"scan\.patch_size is .*16.*, not .*32"):
        tutelage.train(resume=run, settings={"scan.patch_size": (32,)})
    make.save(tmp_path / "scans" / "train" / "images" / "c6.nii.gz", make.sphere(99)[0])
    with pytest.raises(RunError, match=r"the data changed .*train: other contents of scans"):
        tutelage.train(resume=run)


def test_predicted_masks_are_those_of_the_network_on_the_prepared_scan(
    make: Any, finished: Path, tmp_path: Path, scans: Path
) -> None:
    model = tutelage.load(finished, device="cpu")
    assert isinstance(model, ScanModel) and model.classes == ("background", "1", "2")
    table = model.predict(scans / "test", out=tmp_path / "masks", probabilities=True).to_frame()
    assert table["case"].tolist() == ["c20", "c21"]
    case = list_scans(str(scans / "test"), role="predict").cases[0]
    raw = read_case(case, model.scan, with_label=False)
    placement = place(raw, model.scan)
    image, _ = prepare(raw, placement, model.scan)
    probs = model.task.predict(model.network, torch.from_numpy(image)[None])[0].numpy()
    expected = placement.restore_probabilities(probs)
    mask = np.asarray(nibabel.load(tmp_path / "masks" / "c20.nii.gz").dataobj)
    np.testing.assert_array_equal(mask, expected.argmax(0))
    written = nibabel.load(tmp_path / "masks" / "c20.probs.nii.gz")
    np.testing.assert_allclose(np.moveaxis(np.asarray(written.dataobj), -1, 0), expected, atol=1e-6)
    volume = float(np.prod(np.linalg.norm(make.affine[:3, :3], axis=0))) / 1000.0
    np.testing.assert_allclose(table["ml_1"][0], (mask == 1).sum() * volume)
    kept = np.asarray(nibabel.load(finished / "masks" / "c20.nii.gz").dataobj)
    assert (mask != kept).mean() < 0.01  # memory formats differ, and with them the last bits
    with pytest.raises(RunError, match="is not empty"):
        model.predict(scans / "test", out=tmp_path / "masks")


def test_a_scan_that_cannot_be_read_is_named_in_the_table_and_the_others_are_segmented(
    make: Any, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new"
    make.save(new / "good.nii.gz", make.sphere(30)[0])
    make.save(new / "two.nii.gz", make.sphere(31)[0])
    (new / "two.nii.gz").write_bytes((new / "two.nii.gz").read_bytes()[:-40])
    masks, page = tmp_path / "masks", tmp_path / "masks.html"
    words = ["predict", str(finished), str(new), "--out", str(masks), "--largest-component", "--report", str(page)]
    assert cli.run(words) == 1
    said = capsys.readouterr()
    assert f"tutelage: 1 of 2 scans could not be segmented: two; {masks} lists the reason for each\n" in said.err
    assert "1 not segmented" in page.read_text() and "truncated" in page.read_text()
    assert page.read_text().count("<figure") == 1 and ">reference<" not in page.read_text()
    with (tmp_path / "masks" / "cases.csv").open(newline="") as stream:
        rows = {row["case"]: row for row in csv.DictReader(stream)}
    assert rows["good"]["mask"] == "good.nii.gz" and rows["good"]["error"] == ""
    assert rows["two"]["mask"] == "" and "truncated" in rows["two"]["error"]
    assert "2 scans, 1 of them not segmented" in said.out
    (new / "good.nii.gz").unlink()
    assert cli.run(["predict", str(finished), str(new), "--out", str(tmp_path / "none")]) == 2
    assert "tutelage: no scan could be segmented, of 1. two: " in capsys.readouterr().err


def test_evaluation_on_scans_that_were_learned_from_says_how_many_and_which(
    finished: Path, scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learned = unsealed(finished / "split.json")["labeled"]
    shutil.copytree(scans / "train", tmp_path / "again")  # another place, and another name
    for folder in ("images", "labels"):
        for path in (tmp_path / "again" / folder).iterdir():
            path.rename(path.with_name(f"x{path.name}"))
    for data, prefix in ((scans / "train", ""), (tmp_path / "again", "x")):
        assert cli.run(["evaluate", str(finished), str(data)]) == 0
        said = " ".join(capsys.readouterr().out.split())
        named = ", ".join(prefix + name for name in learned)
        assert f"warning: the model learned from the labels of 3 of these 4 scans ({named})" in said
    assert cli.run(["evaluate", str(finished), str(scans)]) == 0  # the test split
    assert "learned from" not in capsys.readouterr().out


def test_evaluation_gives_what_training_told_of_the_test_cases(
    finished: Path, scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, table, page = tmp_path / "s.json", tmp_path / "s.csv", tmp_path / "s.html"
    words = ["evaluate", str(finished), str(scans), "--out", str(out), "--csv", str(table), "--report", str(page)]
    assert cli.run(words) == 0
    assert "Worst case: " in page.read_text() and page.read_text().count("<figure") == 4
    told = unsealed(finished / "result.json")["test"]["teacher"]
    scores = json.loads((tmp_path / "s.json").read_text())
    assert set(scores) == set(told) and scores["n"] == 2
    assert scores["dice"] == pytest.approx(told["dice"], abs=0.01)
    with (tmp_path / "s.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["case"], row["class"]) for row in rows] == [("c20", "1"), ("c20", "2"), ("c21", "1"), ("c21", "2")]
    first = scores["per_case"][0]["classes"]["1"]
    assert float(rows[0]["dice"]) == pytest.approx(first["dice"], abs=1e-5)
    said = capsys.readouterr().out
    assert "all classes" in said and "HD95 pooled" in said and "c21" in said


def test_own_metrics_of_the_run_are_means_over_the_scored_cases(
    finished: Path, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scores_of_a_user.py").write_text(
        "def volume(probs, labels):\n"
        "    assert probs.shape[:2] == (1, 3) and probs.shape[2:] == labels.shape[1:]\n"
        "    return (labels == 2).sum()\n"
    )
    monkeypatch.chdir(tmp_path)
    model = dataclasses.replace(ScanModel.load(finished, device="cpu"), own_metrics=("scores_of_a_user:volume",))
    scores = model.score(str(scans))
    references = [np.asarray(nibabel.load(scans / "test" / "labels" / f"c{n}.nii.gz").dataobj) for n in (20, 21)]
    assert scores.metrics["volume"] == np.mean([(reference == 2).sum() for reference in references])
    scores.print(screen())
    assert f"volume, mean over cases: {scores.metrics['volume']:.4g}" in capsys.readouterr().out
    sys.modules.pop("scores_of_a_user")


def test_auto_says_which_method_it_takes_for_scans(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--scan.patch-size", "16", "--network.width", "1", "--batch-size", "2", "--workers", "0", "--no-report"]
    words = ["train", str(scans / "train"), "--out", str(tmp_path / "run"), "--steps", "2", *small]
    assert cli.run([*words, "--label-count", "3"]) == 0
    said = capsys.readouterr().out
    assert "- the preset mean-teacher-scan-cpu, since" in said
    config = unsealed(tmp_path / "run" / "config.json")
    assert config["settings"]["method"]["name"] == "mean-teacher"
    assert "No labeled cases were left to score on" in said  # 3 labels are too few to hold one out
    assert not (tmp_path / "run" / "masks").exists()


@pytest.mark.long
def test_a_budget_keeps_time_for_evaluations_and_for_the_final_scores(make: Any, scans: Path, tmp_path: Path) -> None:
    cfg = resolved(absolute(resolve_training(make.brief | {"data.path": str(scans)})))
    with ExitStack() as stack:
        session = open_session(stack, torch.device("cpu"), screen(quiet=True), ScanModule)
        cfg = session.settle(cfg, tmp_path)
        session.load(cfg, tmp_path)
        training = session.build(cfg)
        evaluation, closing = session.module.costs(training, 1.0)
        assert 0 < evaluation < closing  # fewer windows, no distances, and the test cases only at the end
        budget = f"{60.0 + closing + 20 * evaluation}s"
        own, baseline, kept = session.plan(training, cfg, Deadline(time.monotonic(), budget), report=False)
        assert own.steps >= 10 and (own.eval_every is None or own.eval_every < own.steps) and baseline is None
        assert kept == pytest.approx(closing, rel=0.9)
        with pytest.raises(ConfigError, match=r"train\.budget .* scan\.patch_size"):
            session.plan(training, cfg, Deadline(time.monotonic(), f"{0.9 * closing}s"), report=False)
        training.loader.close()


def test_a_run_starts_from_another_on_scans_and_not_from_one_on_images(
    make: Any, finished: Path, scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {name: value for name, value in make.brief.items() if name != "network.width"} | {
        "method.name": "supervised"
    }
    run = tutelage.train(scans, out=tmp_path / "b", settings=settings, init_from=finished, quiet=False)
    said = "".join(capsys.readouterr().out.split())  # lines are wrapped
    assert f"thenetworkisthatof{finished}:vnet" in said and ";new,since" not in said
    assert run.config["settings"]["network"]["width"] == 1
    with pytest.raises(ConfigError, match="it was trained on scans, and these are images"):
        tutelage.train("digits", out=tmp_path / "c", method="supervised", network="small", steps=4, init_from=finished)


def test_slices_with_png_masks_are_segmented_too(make: Any, tmp_path: Path) -> None:
    from PIL import Image

    for seed in range(5):
        image, label = make.sphere(seed, (20, 24))
        for folder, array in (("images", np.clip(image, 0, 255).astype(np.uint8)), ("labels", label)):
            path = tmp_path / "slices" / folder / f"s{seed}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            if folder == "images" or seed < 4:
                Image.fromarray(array).save(path)
    run = tutelage.train(tmp_path / "slices", out=tmp_path / "run", settings=make.brief | {"train.steps": 2})
    assert run.config["data"]["patch_size"] == [16, 16]
    assert 0.0 <= run.metrics["validation"]["teacher"]["dice"] <= 1.0
    masks = sorted((tmp_path / "run" / "masks").glob("*.png"))
    assert len(masks) == 1 and np.asarray(Image.open(masks[0])).shape == (20, 24)


@pytest.mark.slow
def test_runs_of_a_comparison_share_one_cache_of_prepared_scans(make: Any, scans: Path, tmp_path: Path) -> None:
    make.write(tmp_path / "more", count=1, labeled=0, first=40)
    words = ["--methods", "supervised,mean-teacher", "--seeds", "1", "--no-report", "--out", str(tmp_path / "cmp")]
    small = ["--scan.patch-size", "16", "--network.width", "1", "--batch-size", "2", "--workers", "0", "--steps", "2"]
    assert cli.run(["compare", str(scans), *words, *small, "--unlabeled", str(tmp_path / "more")]) == 0
    runs = [tmp_path / "cmp" / f"{method}-all-0" for method in ("supervised", "mean-teacher")]
    assert all((run / "result.json").exists() and not (run / "cache").exists() for run in runs)
    assert len(list((tmp_path / "cmp" / "cache").glob("*.json"))) == 10
