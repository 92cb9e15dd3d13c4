"""Labels in memory: kept in the run folder, so that resume and report work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import tutelage
from support.runs import cut_back, digests, unsealed
from tutelage.cli import entry
from tutelage.training import checkpoint

BRIEF: dict[str, Any] = {
    "method": "supervised",
    "preset": "none",
    "network": "wrn-10-1",
    "batch_size": 4,
    "device": "cpu",
}
LABELS = {f"{number}.png": ("cat", "dog")[number % 2] for number in range(8)}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, draw = tmp_path_factory.mktemp("data") / "photos", np.random.default_rng(0)
    root.mkdir()
    for number in range(12):
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(root / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tutelage.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "KEEP", 9)
        settings = {"train.checkpoint_every": 2}
        out = tmp_path_factory.mktemp("runs") / "a"
        return tutelage.train(photos, labels=LABELS, out=out, steps=4, settings=settings, **BRIEF)


def test_a_run_keeps_the_labels_and_names_its_own_table(run: tutelage.Run, photos: Path) -> None:
    assert run.config["settings"]["data"]["labels"] == str(run.path / "labels.csv")
    kept = pd.read_csv(run.path / "labels.csv")
    assert dict(zip(kept["path"], kept["label"], strict=True)) == LABELS
    split = unsealed(run.path / "split.json")
    assert sorted(split["labeled"] + split["held_out"]) == sorted(LABELS)


def test_a_file_a_frame_and_a_mapping_train_the_same_network(run: tutelage.Run, photos: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"path": list(LABELS), "label": list(LABELS.values())})
    table.to_csv(tmp_path / "own.csv", index=False)
    settings = {"train.checkpoint_every": 2}
    for name, labels in (("frame", table), ("file", tmp_path / "own.csv")):
        other = tutelage.train(photos, labels=labels, out=tmp_path / name, steps=4, settings=settings, **BRIEF)
        assert digests(other.path) == digests(run.path)
    assert not (tmp_path / "file" / "labels.csv").exists()


def test_it_resumes_with_and_without_the_labels_and_refuses_others(run: tutelage.Run, tmp_path: Path) -> None:
    for number, given in enumerate(({}, {"labels": LABELS})):
        cut = cut_back(run.path, tmp_path / str(number), 2)
        tutelage.train(resume=cut, **given)
        assert digests(cut) == digests(run.path)
    cut = cut_back(run.path, tmp_path / "other", 2)
    with pytest.raises(tutelage.RunError, match=r"resume keeps the labels of .*, and those given differ"):
        tutelage.train(resume=cut, labels=LABELS | {"0.png": "dog"})


def test_a_report_is_written(run: tutelage.Run, tmp_path: Path) -> None:
    assert entry.run(["report", str(run.path), "--out", str(tmp_path / "report.html")]) == 0
    assert "--labels" in (tmp_path / "report.html").read_text()


def test_a_run_that_is_replaced_by_one_with_its_own_table_keeps_it(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    tutelage.train(photos, labels=LABELS, out=out, steps=1, **BRIEF)
    again = tutelage.train(photos, labels=out / "labels.csv", out=out, steps=2, overwrite=True, **BRIEF)
    assert (out / "labels.csv").is_file() and again.metrics["step"] == 2
    tutelage.train(
        photos / ".." / "photos", labels={"0.png": "a", "1.png": "b"}, out=out, steps=1, overwrite=True, **BRIEF
    )
    assert len(pd.read_csv(out / "labels.csv")) == 2


def test_wrong_labels_leave_nothing_behind(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(tutelage.DataError, match=r"labels\['z.png'\]: 'z.png' is not a file"):
        tutelage.train(photos, labels={**LABELS, "z.png": "cat"}, out=tmp_path / "a", steps=1, **BRIEF)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "scans" / "images").mkdir(parents=True)
    (tmp_path / "scans" / "images" / "a.nii.gz").touch()
    with pytest.raises(
        tutelage.ConfigError, match="labels of scans must be a folder of masks or a CSV file, got a dict"
    ):
        tutelage.train(tmp_path / "scans", labels=LABELS, out=tmp_path / "a", steps=1)
