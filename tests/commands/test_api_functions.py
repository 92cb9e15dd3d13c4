"""The commands as functions: they return what the command prints, and write and print only what is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import tutelage
from tutelage.cli import entry

BRIEF: dict[str, Any] = {"network": "wrn-10-1", "batch_size": 4, "device": "cpu", "steps": 2}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "photos", 10, "cat", "dog", "unlabeled")


@pytest.fixture(scope="module")
def test_photos(photos: Path) -> Path:
    return write(photos.parent / "test", 2, "cat", "dog")


def write(root: Path, each: int, *names: str) -> Path:
    draw = np.random.default_rng(each)
    for name in names:
        (root / name).mkdir(parents=True)
        for number in range(each):
            Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def run(photos: Path, test_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tutelage.Run:
    out = tmp_path_factory.mktemp("run") / "a"
    return tutelage.train(photos, test=test_photos, out=out, method="supervised", preset="none", **BRIEF)


@pytest.fixture(autouse=True)
def silent(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nothing is printed, and nothing is written into the working directory."""
    monkeypatch.chdir(tmp_path)
    yield
    assert capfd.readouterr() == ("", "")


def test_check_returns_what_is_in_the_data_and_what_is_wrong(photos: Path, tmp_path: Path) -> None:
    found = tutelage.check(photos)
    assert found.ok and found.parts["train"].images == 30 and found.parts["train"].classes == {"cat": 10, "dog": 10}
    assert repr(found) == "<check: train: 30 images, 20 labeled; 0 faults, 0 warnings; ready to train on>"
    wrong = tutelage.check(photos, label_count=500, out=tmp_path / "report.json")
    assert not wrong.ok and "label_count must be at most the number of labels, 20, got 500" in wrong.faults[0]
    assert repr(wrong).endswith(f"not ready to train on>\n  fault: {wrong.faults[0]}")
    assert json.loads((tmp_path / "report.json").read_text())["faults"] == wrong.faults
    with pytest.raises(tutelage.RunError, match=r"report.json exists; .*, or replace it with overwrite=True"):
        tutelage.check(photos, out=tmp_path / "report.json")
    with pytest.raises(tutelage.DataError):
        wrong.raise_faults()


def test_check_takes_labels_in_memory_and_settings(photos: Path) -> None:
    found = tutelage.check(photos / "unlabeled", labels={"1.png": "a", "2.png": "b", "99.png": "b"})
    assert found.faults[0].startswith("labels['99.png']: '99.png' is not a file in ")
    assert tutelage.check("digits", settings={"data.val_share": 0.5}).ok
    with pytest.raises(tutelage.ConfigError, match=r"train.steps has no effect in a check"):
        tutelage.check("digits", settings={"train.steps": 5})


def test_show_returns_the_sheet_that_the_command_writes(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sheet = tutelage.show(photos, views=["weak"], draws=2, images=2, seed=3)
    assert list(tmp_path.iterdir()) == []
    flags = ["--views", "weak", "--draws", "2", "--images", "2", "--seed", "3"]
    assert entry.run(["show", str(photos), "--out", "sheet.png", *flags]) == 0
    capfd.readouterr()
    np.testing.assert_array_equal(np.asarray(sheet), np.asarray(Image.open("sheet.png")))
    tutelage.show(photos, views="weak", draws=2, images=2, seed=3, out="again.png")
    assert Path("again.png").read_bytes() == Path("sheet.png").read_bytes()
    with pytest.raises(tutelage.ConfigError, match=r"^draws must be in \[1, 50\], got 0"):
        tutelage.show(photos, draws=0)


def test_predict_and_evaluate_are_those_of_the_model(run: tutelage.Run, photos: Path, tmp_path: Path) -> None:
    model = run.model(device="cpu")
    assert isinstance(model, tutelage.Model)
    image = Image.open(photos / "cat" / "0.png")
    for one in (run, run.path, str(run.path)):
        made = tutelage.predict(one, image, device="cpu")
        assert isinstance(made, tutelage.Predictions)
        np.testing.assert_array_equal(made.probabilities, model.predict(image).probabilities)
    assert list(tmp_path.iterdir()) == []
    kept = tutelage.predict(run, photos / "cat", out="p.csv", device="cpu")
    assert isinstance(kept, tutelage.Predictions)
    assert pd.read_csv("p.csv")["label"].tolist() == kept.labels and len(kept) == 10
    scores = tutelage.evaluate(run, photos, device="cpu")
    assert scores.metrics == model.evaluate(photos).metrics and scores["n"] == 20 and dict(scores)["n"] == 20
    table = pd.DataFrame({"path": ["0.png", "1.png"], "label": ["cat", "dog"]})
    assert tutelage.evaluate(run, photos / "unlabeled", labels=table)["n"] == 2
    with pytest.raises(tutelage.ConfigError, match=r"^probabilities is for runs on scans; .* was trained on images"):
        tutelage.predict(run, photos, probabilities=True)


def test_embed_returns_the_table_and_writes_it_if_asked(run: tutelage.Run, photos: Path, tmp_path: Path) -> None:
    table = tutelage.embed(run, photos)
    assert len(table) == 30 and table["label"].isna().sum() == 10 and list(tmp_path.iterdir()) == []
    tutelage.embed(run, photos, out="e.csv")
    np.testing.assert_allclose(pd.read_csv("e.csv")["f0"], table["f0"], rtol=1e-6)


def test_probe_returns_a_table(run: tutelage.Run, photos: Path, test_photos: Path) -> None:
    found = tutelage.probe(run, photos, test=test_photos, kind="knn", seeds=2, label_counts=[4, "all"])
    frame = found.to_frame()
    assert list(frame.columns) == ["encoder", "kind", "labels", "mean", "std", "runs"]
    assert set(frame["encoder"]) == {"run", "random"} and set(frame["labels"]) == {4, 20}
    assert repr(found).splitlines()[0].startswith("Accuracy on 4 test images, frozen wrn-10-1")
    assert len(repr(found).splitlines()) == 3
    for wrong, message in (
        ({"label_counts": [0]}, r"^label_counts must be numbers above 0, or 'all', got 0"),
        ({"kind": "knm"}, r"^kind must be one of knn, linear, logistic, got 'knm'"),
        ({"seeds": 0}, r"^seeds must be in"),
    ):
        with pytest.raises(tutelage.ConfigError, match=message):
            tutelage.probe(run, photos, **wrong)  # type: ignore[arg-type]


@pytest.mark.long
def test_report_writes_one_file(run: tutelage.Run, tmp_path: Path) -> None:
    assert tutelage.report(run, out="r.html") == Path("r.html")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert "supervised" in Path("r.html").read_text()
    assert tutelage.report([run, run.path], out="two.md") == Path("two.md")
    with pytest.raises(tutelage.RunError, match="overwrite=True"):
        tutelage.report(run, out="r.html")


@pytest.mark.long
def test_a_comparison_is_a_table(photos: Path, test_photos: Path, tmp_path: Path) -> None:
    labels = {f"{name}/{number}.png": name for name in ("cat", "dog") for number in range(10)}
    out = tmp_path / "cmp"
    given: dict[str, Any] = {**BRIEF, "presets": "none", "test": test_photos, "labels": labels, "seeds": 1}
    table = tutelage.compare(photos, methods=["supervised", "pi-model"], out=out, **given)
    frame = table.to_frame()
    assert frame["method"].tolist() == ["supervised", "pi-model"] and frame["n"].tolist() == [1, 1]
    assert np.isnan(frame["gain"][0]) and frame["gain"][1] == pytest.approx(frame["mean"][1] - frame["mean"][0])
    lines = repr(table).splitlines()
    assert lines[0].startswith("Accuracy on ") and lines[2].startswith("  all labels, pi-model: ")
    assert (out / "labels.csv").is_file() and not (out / "report.html").exists()
    assert tutelage.compare(photos, methods=["supervised", "pi-model"], out=out, **given).to_frame().equals(frame)
    with pytest.raises(tutelage.RunError, match="holds a comparison with other labels"):
        tutelage.compare(photos, methods=["supervised"], out=out, **given | {"labels": labels | {"cat/1.png": "dog"}})
    with pytest.raises(tutelage.ConfigError, match=r"^methods must be one or more names"):
        tutelage.compare(photos, methods=[], out=out, **given)
    with pytest.raises(
        tutelage.ConfigError, match=r"label_count is not a single setting in a comparison: give label_counts"
    ):
        tutelage.compare(photos, methods=["supervised"], out=out, label_count=4, **given)


def test_a_run_is_shown_in_a_line(run: tutelage.Run, tmp_path: Path) -> None:
    assert repr(run).startswith(f"<tutelage.Run '{run.path}': supervised, step 2 of 2; accuracy ")
    assert run.score is not None and run.score.part == "test"
    assert str(run.score) == f"accuracy {run.score.value:.1%} (test set of 4)"
    assert repr(tutelage.Run(tmp_path)) == f"<tutelage.Run '{tmp_path}': not a run folder>"
