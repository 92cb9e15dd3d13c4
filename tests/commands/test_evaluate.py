"""Metrics on the screen, as JSON and in Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tutelage
from tutelage import cli
from tutelage.core.errors import DataError

TWO, SEVEN = ("cat", "dog"), ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")


def photos(root: Path, classes: tuple[str, ...], each: int = 3, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    for name in (*classes, "unlabeled"):
        (root / name).mkdir(parents=True)
        for number in range(each):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(root / name / f"{number}.png")
    return root


def train(root: Path, classes: tuple[str, ...]) -> Path:
    words = ["--method", "fixmatch", "--method.ema-decay", "0.5", "--steps", "4"]
    words += ["--batch-size", "3", "--device", "cpu", "--network", "wrn-10-1"]
    assert cli.run(["train", str(photos(root / "photos", classes)), "--out", str(root / "run"), *words]) == 0
    return root / "run"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("two"), TWO)


@pytest.fixture(scope="module")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("seven"), SEVEN)


def strict(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


def scored(run: Path, data: Path, out: Path, *more: str) -> dict[str, Any]:
    assert cli.run(["evaluate", str(run), str(data), "--out", str(out), *more]) == 0
    return json.loads(out.read_text(encoding="utf-8"), parse_constant=strict)


def test_two_classes_are_scored_on_screen_and_in_json(
    two: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    test = photos(tmp_path / "test", TWO, each=5, seed=1)
    metrics = scored(two, test, tmp_path / "m.json")
    text = capfd.readouterr().out
    assert metrics["n"] == 10
    assert "top5_accuracy" not in metrics
    assert set(metrics["per_class"]) == set(TWO)
    assert sum(map(sum, metrics["confusion_matrix"])) == 10
    for word in ("accuracy", "balanced accuracy", "nll", "ece", "precision", "recall", "F1", "cat", "dog"):
        assert word in text
    assert f"{metrics['accuracy']:.2%}" in text
    assert "top5" not in text


def test_more_than_five_classes_have_a_top_5_accuracy(
    seven: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    metrics = scored(seven, photos(tmp_path / "test", SEVEN, seed=1), tmp_path / "m.json")
    assert 0 <= metrics["accuracy"] <= metrics["top5_accuracy"] <= 1
    assert "top5 accuracy" in capfd.readouterr().out


def test_the_metrics_are_those_of_the_predictions(seven: Path, tmp_path: Path) -> None:
    test = photos(tmp_path / "test", SEVEN, seed=1)
    metrics, table = scored(seven, test, tmp_path / "m.json"), tutelage.load(seven).predict(test).to_frame()
    table = table[~table["path"].str.startswith("unlabeled/")]
    truth = table["path"].str.split("/").str[0]
    assert metrics["n"] == len(table) == 21
    assert metrics["accuracy"] == pytest.approx(float((table["label"] == truth).mean()))
    own = [row[f"p_{name}"] for name, (_, row) in zip(truth, table.iterrows(), strict=True)]
    assert metrics["nll"] == pytest.approx(float(-np.log(own).mean()), rel=1e-5)
    assert metrics == tutelage.load(seven).evaluate(test)


def test_labels_of_a_table_are_scored_and_the_unlabeled_rest_is_passed_over(two: Path, tmp_path: Path) -> None:
    test = photos(tmp_path / "test", TWO)
    table = tmp_path / "labels.csv"
    table.write_text("path,label\ncat/0.png,dog\ndog/1.png,dog\ncat/1.png,\n")
    metrics = scored(two, test, tmp_path / "m.json", "--labels", str(table))
    assert metrics["n"] == 2
    assert metrics["per_class"]["cat"]["support"] == 0
    assert metrics["per_class"]["cat"]["recall"] is None


def test_a_class_that_the_test_images_lack_is_left_out_of_the_balance(two: Path, tmp_path: Path) -> None:
    metrics = scored(two, photos(tmp_path / "test", ("cat",)), tmp_path / "m.json")
    assert metrics["balanced_accuracy"] == metrics["per_class"]["cat"]["recall"] == metrics["accuracy"]


def test_labels_that_the_model_does_not_know_are_named_with_all_other_faults(two: Path, tmp_path: Path) -> None:
    test = photos(tmp_path / "test", ("cat", "bird"))
    with pytest.raises(DataError, match=r"3 images have labels that the model does not know \('bird'\); known: cat, d"):
        tutelage.load(two).evaluate(test)
    (test / "cat" / "0.png").write_bytes(b"")
    (test / "cat" / "1.png").write_bytes(b"x")
    (test / "bird").rename(test / "dog")
    with pytest.raises(DataError, match="2 problems") as caught:
        tutelage.load(two).evaluate(test)
    assert [fault.split()[0] for fault in caught.value.faults] == [
        str(test / "cat" / name) for name in ("0.png", "1.png")
    ]


def test_both_networks_can_be_scored(two: Path, tmp_path: Path) -> None:
    test = photos(tmp_path / "test", TWO, seed=1)
    by_network = {
        network: scored(two, test, tmp_path / f"{network}.json", "--network", network)
        for network in ("auto", "student", "teacher")
    }
    assert by_network["auto"] == by_network["teacher"]
    assert by_network["auto"]["nll"] != by_network["student"]["nll"]


def test_results_are_replaced_on_request_alone(two: Path, tmp_path: Path) -> None:
    test, out = photos(tmp_path / "test", TWO), tmp_path / "m.json"
    out.write_text("mine")
    assert cli.run(["evaluate", str(two), str(test), "--out", str(out)]) == 2
    assert out.read_text() == "mine"
    assert scored(two, test, out, "--overwrite")["n"] == 6


def test_the_test_split_of_the_data_is_what_is_scored(two: Path, tmp_path: Path) -> None:
    photos(tmp_path / "data" / "train", TWO, each=5)
    photos(tmp_path / "data" / "test", TWO, each=2)
    assert scored(two, tmp_path / "data", tmp_path / "m.json")["n"] == 4
