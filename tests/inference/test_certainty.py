"""How sure a model is: calibrated on held-out images, with sets of classes, and for images unlike those of training."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import tutelage
from support.runs import unsealed
from tutelage.cli import entry
from tutelage.data.images.arrays import DIGITS
from tutelage.inference.images.model import Model
from tutelage.results.card.card import card_of
from tutelage.run.held_out import HeldOut
from tutelage.run.run_record import RunRecord
from tutelage.tasks.calibration import fit_temperature


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Parts of the bundled digits: to learn from, validate, test, and calibrate on."""
    root, parts = tmp_path_factory.mktemp("parts"), {"train": (0, 300), "val": (300, 500), "test": (500, 700)}
    with np.load(DIGITS) as arrays:
        x, y = arrays["x"], arrays["y"]
        for name, (first, last) in (parts | {"more": (700, 1_000)}).items():
            np.savez(root / f"{name}.npz", x=x[first:last], y=y[first:last])
    return {file.stem: file for file in root.iterdir()}


@pytest.fixture(scope="module")
def run(digits: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "a"
    tutelage.train(
        digits["train"],
        val=digits["val"],
        test=digits["test"],
        out=out,
        method="supervised",
        preset="none",
        network="wrn-10-1",
        steps=40,
        device="cpu",
    )
    return out


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "copy")


def test_the_temperature_is_that_of_the_validation_images(run: Path, digits: dict[str, Path]) -> None:
    known = HeldOut.read(run, 10)
    assert known is not None and (known.how, len(known.label)) == ("validation images", 200)
    with np.load(digits["val"]) as arrays:
        np.testing.assert_array_equal(known.label, arrays["y"])
        plain = Model.load(run, device="cpu", calibrated=False).predict(arrays["x"][..., None]).probabilities
    expected = fit_temperature(np.log(plain.astype(np.float64)), known.label)
    assert known.temperature == pytest.approx(expected, rel=1e-3)
    assert abs(known.temperature - 1) > 0.02
    assert unsealed(run / "result.json")["calibration"]["temperature"] == known.temperature


def test_the_test_scores_are_of_the_probabilities_that_are_predicted(run: Path, digits: dict[str, Path]) -> None:
    result = unsealed(run / "result.json")
    final = result["test"][result["evaluated"]]
    scores = tutelage.evaluate(run, digits["test"], device="cpu")
    plain = Model.load(run, device="cpu", calibrated=False).evaluate(digits["test"])
    for name in ("accuracy", "nll", "ece"):
        assert scores[name] == pytest.approx(final[name], abs=1e-5)
    assert scores["accuracy"] == plain["accuracy"]
    assert result["calibration"]["before"] == pytest.approx({"nll": plain["nll"], "ece": plain["ece"]}, abs=1e-5)
    assert scores["nll"] < plain["nll"]


def test_validation_scores_are_of_the_network_as_it_is_trained(run: Path, digits: dict[str, Path]) -> None:
    result = unsealed(run / "result.json")
    plain = Model.load(run, device="cpu", calibrated=False).evaluate(digits["val"])
    assert result["validation"][result["evaluated"]]["nll"] == pytest.approx(plain["nll"], abs=1e-5)


def test_sets_and_flags_are_in_the_table_and_in_python(run: Path, digits: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    command = ["predict", str(run), str(digits["test"]), "--out", str(out), "--coverage", "0.8", "--unlike"]
    assert entry.run(command) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    with np.load(digits["test"]) as arrays:
        label = arrays["y"]
        found = tutelage.predict(run, arrays["x"][..., None], coverage=0.8, unlike=True)
    assert [row["label_set"] for row in rows] == ["|".join(one or ()) for one in found.label_sets]
    assert [row["unsure"] == "True" for row in rows] == [len(one or ()) != 1 for one in found.label_sets]
    assert [row["unlike"] == "True" for row in rows] == found.unlike
    share = np.mean([str(number) in (one or ()) for number, one in zip(label, found.label_sets, strict=True)])
    assert 0.7 < share < 0.9
    assert np.mean(np.array(found.unlike, bool)) < 0.15
    noise = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1), np.uint8)
    assert np.mean(np.array(tutelage.predict(run, noise, unlike=True).unlike, bool)) > 0.5
    plain = tutelage.predict(run, noise)
    assert plain.label_sets == [None] * 50 and plain.unlike == [None] * 50


def test_probabilities_are_the_same_with_features(run: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8), np.uint8)
    model = Model.load(run, device="cpu")
    rows = model.with_features(noise)
    torch.testing.assert_close(rows[:, :10], model.probabilities(noise))
    assert rows.shape == (5, 10 + model.network.head.in_features)


def test_given_images_replace_what_the_run_knew(
    copy: Path, digits: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = tutelage.evaluate(copy, digits["test"], device="cpu")
    assert entry.run(["calibrate", str(copy), str(digits["more"])]) == 0
    said = capsys.readouterr().out
    known = HeldOut.read(copy, 10)
    assert known is not None and (known.how, len(known.label)) == ("given images", 300)
    assert f"with temperature {known.temperature:.2f}" in said
    after = tutelage.evaluate(copy, digits["test"], device="cpu")
    assert after["accuracy"] == before["accuracy"] and after["nll"] != before["nll"]


def test_images_whose_labels_were_learned_are_left_out(
    copy: Path, digits: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    held = HeldOut.read(copy, 10)
    assert entry.run(["calibrate", str(copy), str(digits["train"])]) == 2
    assert "has no labeled images that the model has not learned from" in capsys.readouterr().err
    again = HeldOut.read(copy, 10)
    assert held is not None and again is not None and held.temperature == again.temperature


def test_an_export_answers_as_the_calibrated_model(run: Path, digits: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    tutelage.export(run, out=out, format="safetensors")
    noise = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8)
    expected = tutelage.predict(run, noise).probabilities
    np.testing.assert_allclose(tutelage.predict(out, noise).probabilities, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--coverage", "0"], "--coverage must be above 0 and below 1, such as 0.95, got 0"),
        (["--coverage", "1"], "--coverage must be above 0 and below 1, such as 0.95, got 1"),
        (["--coverage", "95"], "--coverage must be above 0 and below 1, such as 0.95, got 95"),
        (["--coverage", "0.999"], "--coverage 0.999 needs at least 999 labels that were held out in training, and"),
        (["--coverage", "nan"], "--coverage"),
        (["--coverage", "x"], "--coverage"),
    ],
)
def test_a_coverage_that_cannot_be_is_refused(
    run: Path,
    digits: dict[str, Path],
    tmp_path: Path,
    options: list[str],
    fault: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "p.csv"
    assert entry.run(["predict", str(run), str(digits["test"]), "--out", str(out), *options]) == 2
    error = capsys.readouterr().err
    assert fault in error and "Traceback" not in error and not out.exists()


def test_a_run_without_features_of_training_says_where_they_come_from(
    copy: Path, digits: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "pile.npz").unlink()
    command = ["predict", str(copy), str(digits["test"]), "--out", str(tmp_path / "p.csv"), "--unlike"]
    assert entry.run(command) == 2
    assert "tutelage calibrate RUN DATA computes them from images like those of training" in capsys.readouterr().err
    assert entry.run(["calibrate", str(copy), str(digits["more"])]) == 0
    assert entry.run(command) == 0


def test_a_resumed_run_knows_the_same(run: Path, tmp_path: Path, digits: dict[str, Path]) -> None:
    other = tmp_path / "again"
    shutil.copytree(run, other)
    (other / "result.json").unlink()
    for file in ("held_out.npz", "pile.npz"):
        (other / file).unlink()
    tutelage.train(digits["train"], val=digits["val"], test=digits["test"], resume=other)
    assert json.loads((other / "result.json").read_text()) == json.loads((run / "result.json").read_text())
    for file in ("held_out.npz", "pile.npz"):
        with np.load(run / file) as first, np.load(other / file) as second:
            for name in first.files:
                np.testing.assert_array_equal(first[name], second[name])


def test_the_report_and_the_card_say_how_it_was_calibrated(run: Path, tmp_path: Path) -> None:
    known = HeldOut.read(run, 10)
    assert known is not None
    said = f"The probabilities are calibrated, with temperature {known.temperature:.2f} from 200 held-out labels"
    assert said in card_of(RunRecord(run))
    page = tutelage.report(run, out=tmp_path / "report.md")
    assert said in page.read_text()


def test_features_of_training_are_those_of_the_evaluated_network_and_read_only_where_they_are_needed(
    copy: Path, digits: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Model.load(copy, network="teacher", device="cpu").known.pile is None
    (copy / "pile.npz").write_bytes(b"junk")
    command = ["predict", str(copy), str(digits["test"]), "--out", str(tmp_path / "p.csv")]
    assert entry.run(command) == 0
    assert entry.run([*command, "--overwrite", "--unlike"]) == 2
    assert "pile.npz is damaged" in capsys.readouterr().err
