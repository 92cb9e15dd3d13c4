"""Predictions as a CSV file and as a table, for each kind of source and for odd names."""

from __future__ import annotations

import csv
import io
import os
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tutelage
from tutelage import cli
from tutelage.core.names import from_cell
from tutelage.data.images.given import list_given

CLASSES = ("confidence", "error", "label", "path")  # each the name of a column, too
ODD_NAMES = (
    "a b.png",
    "a,b.png",
    'a"b.png',
    "a\nb.png",
    "=cmd|' /C calc'!A0.png",
    "+1.png",
    "-2.png",
    "@x.png",
    "\tx.png",
    "\rx.png",
    "right\u202eto-left.png",
    "猫.png",
    os.fsdecode(b"\xff\xfe.png"),
    "back\\slash\\x41.png",
    "case.png",
    "CASE.png",
    "x" * 200 + ".png",
    "<img src=x onerror=alert(1)>.png",
    "{{7*7}}.png",
    "'; drop table.png",
)


def png(seed: int, mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(stream, "PNG")
    return stream.getvalue()


def write(root: Path, *names: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(number))
    return root


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("predict")
    names = [f"{folder}/{number}.png" for folder in (*CLASSES, "unlabeled") for number in range(4)]
    words = ["--method", "fixmatch", "--method.ema-decay", "0.5", "--steps", "4"]
    words += ["--batch-size", "4", "--device", "cpu", "--network", "wrn-10-1"]
    assert cli.run(["train", str(write(root / "photos", *names)), "--out", str(root / "run"), *words]) == 0
    return root / "run"


def test_the_columns_are_path_label_confidence_a_class_each_and_error(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    assert cli.run(["predict", str(run), str(write(tmp_path / "new", "1.png", "deep/2.png")), "--out", str(out)]) == 0
    assert out.read_bytes().splitlines()[0].decode() == (
        "path,label,confidence,p_confidence,p_error,p_label,p_path,error"
    )
    found = rows(out)
    assert [row["path"] for row in found] == ["1.png", "deep/2.png"]
    for row in found:
        probs = {name: float(row[f"p_{name}"]) for name in CLASSES}
        assert sum(probs.values()) == pytest.approx(1, abs=1e-4)
        assert row["label"] == max(probs, key=probs.__getitem__)
        assert float(row["confidence"]) == max(probs.values())
        assert row["error"] == ""


def test_an_unreadable_image_is_reported_in_its_row_and_the_rest_is_done(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    new, out = write(tmp_path / "new", "1.png", "3.png"), tmp_path / "p.csv"
    (new / "0.png").write_bytes(b"")
    (new / "2.png").write_bytes(png(0)[:100])
    (new / "4.jpg").write_bytes(b"no image")
    assert cli.run(["predict", str(run), str(new), "--out", str(out)]) == 1
    said = capfd.readouterr()
    assert "5 images, 3 of them unreadable (see the column error)" in said.out
    assert said.err == (
        f"tutelage: 3 of 5 images could not be predicted: 0.png, 2.png, 4.jpg; {out} lists the reason for each\n"
    )
    found = rows(out)
    assert [row["path"] for row in found] == ["0.png", "1.png", "2.png", "3.png", "4.jpg"]
    assert [bool(row["error"]) for row in found] == [True, False, True, False, True]
    assert found[0]["error"] == "is empty (0 bytes)"
    assert "cannot be decoded" in found[2]["error"]
    assert "is not a readable image" in found[4]["error"]
    for row in found:
        assert bool(row["label"]) == bool(row["confidence"]) == bool(row["p_path"]) == (not row["error"])


def test_a_prediction_of_nothing_is_an_error_and_the_table_has_the_reasons(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new").mkdir()
    for name in ("0.png", "1.png"):
        (tmp_path / "new" / name).write_bytes(b"")
    out, page = tmp_path / "p.csv", tmp_path / "p.html"
    command = ["predict", str(run), str(tmp_path / "new"), "--out", str(out), "--report", str(page)]
    assert cli.run(command) == 2
    said = capfd.readouterr()
    assert (
        said.err
        == f"tutelage: no image could be predicted, of 2. 0.png: is empty (0 bytes); {out} lists the reason for each\n"
    )
    assert said.out == ""
    assert [row["error"] for row in rows(out)] == ["is empty (0 bytes)"] * 2
    assert not page.exists()


def test_odd_names_come_through_and_read_back(run: Path, tmp_path: Path) -> None:
    new, out = write(tmp_path / "new", *ODD_NAMES), tmp_path / "p.csv"
    assert cli.run(["predict", str(run), str(new), "--out", str(out)]) == 0
    found = rows(out)
    assert {from_cell(row["path"].removeprefix("./")) for row in found} == set(ODD_NAMES)
    assert not any(row["error"] for row in found)
    for row in found:
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert not any(ord(c) < 0x20 for c in cell)


def test_predictions_serve_as_a_list_of_images(run: Path, tmp_path: Path) -> None:
    new, again = write(tmp_path / "new", *ODD_NAMES), tmp_path / "again.csv"
    assert cli.run(["predict", str(run), str(new), "--out", str(new / "p.csv")]) == 0
    assert cli.run(["predict", str(run), str(new / "p.csv"), "--out", str(again)]) == 0
    first, second = rows(new / "p.csv"), rows(again)
    assert [row["p_path"] for row in first] == [row["p_path"] for row in second]
    assert not any(row["error"] for row in second)


def sources(root: Path) -> dict[str, tuple[str, list[str]]]:
    """A source of each kind that holds the same two images, and what they are called in it."""
    write(root / "folder", "a.png", "b.png")
    (root / "folder" / "list.txt").write_text("b.png\n\na.png\n", encoding="utf-8")
    (root / "folder" / "list.csv").write_text("path,note\na.png,x\nb.png,y\n", encoding="utf-8")
    for name, mode in (("shard.tar", "w"), ("zipped.tar.gz", "w:gz")):
        with tarfile.open(root / name, mode) as tar:
            tar.add(root / "folder" / "a.png", "a.png")
            tar.add(root / "folder" / "b.png", "b.png")
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(png(seed)))) for seed in (0, 1)])
    np.savez(root / "arrays.npz", x=pixels[:1], x_test=pixels[1:])
    return {
        "folder": ("folder", ["a.png", "b.png"]),
        "image": ("folder/b.png", ["b.png"]),
        "text": ("folder/list.txt", ["b.png", "a.png"]),
        "table": ("folder/list.csv", ["a.png", "b.png"]),
        "shard": ("shard.tar", ["shard.tar/a.png", "shard.tar/b.png"]),
        "zipped shard": ("zipped.tar.gz", ["zipped.tar.gz/a.png", "zipped.tar.gz/b.png"]),
        "arrays": ("arrays.npz", ["row 0", "x_test row 0"]),
    }


@pytest.mark.parametrize("kind", ["folder", "image", "text", "table", "shard", "zipped shard", "arrays"])
def test_each_kind_of_source_is_predicted_as_the_table_in_python_says(kind: str, run: Path, tmp_path: Path) -> None:
    source, names = sources(tmp_path)[kind]
    out = tmp_path / "p.csv"
    assert cli.run(["predict", str(run), str(tmp_path / source), "--out", str(out)]) == 0
    found, table = rows(out), tutelage.load(run).predict(tmp_path / source).to_frame()
    assert [row["path"] for row in found] == names
    assert list(table["path"]) == names
    assert list(found[0]) == list(table.columns)
    assert [row["label"] for row in found] == list(table["label"])
    for column in ("confidence", *(f"p_{name}" for name in CLASSES)):
        np.testing.assert_allclose([float(row[column]) for row in found], table[column], rtol=1e-5)
    by_image = {names[k][-5:]: found[k]["p_path"] for k in range(len(names))}
    if {"a.png", "b.png"} == set(by_image):
        expected = tutelage.load(run).predict(tmp_path / "folder").to_frame()["p_path"]
        np.testing.assert_allclose([float(by_image["a.png"]), float(by_image["b.png"])], expected, rtol=1e-5)


def test_the_label_is_the_class_of_the_folder_that_was_learned(tmp_path: Path) -> None:
    for number in range(8):
        for name, gray in (("dark", 20), ("light", 230)):
            pixels = np.random.default_rng(number).integers(gray - 20, gray + 20, (8, 8, 3))
            (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / name / f"{number}.png")
    run = tutelage.train(
        tmp_path / "photos", out=tmp_path / "run", method="supervised", steps=60, batch_size=8, network="wrn-10-1",
        settings={"method.ema_decay": 0.9, "network.batch_norm_momentum": 0.1}, device="cpu",
    )  # fmt: skip
    table = run.model().predict(tmp_path / "photos").to_frame()
    assert list(table["label"]) == [path.split("/")[0] for path in table["path"]]


def test_a_missing_file_of_a_list_is_reported_in_its_row(run: Path, tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    (tmp_path / "list.txt").write_text("a.png\nnowhere.png\n", encoding="utf-8")
    assert cli.run(["predict", str(run), str(tmp_path / "list.txt"), "--out", str(tmp_path / "p.csv")]) == 1
    found = rows(tmp_path / "p.csv")
    assert [row["error"] for row in found] == ["", "does not exist"]


def test_gray_and_transparent_images_of_any_size_are_predicted(run: Path, tmp_path: Path) -> None:
    new = write(tmp_path / "new", "color.png")
    for mode in ("L", "RGBA", "P", "1", "LA"):
        (new / f"{mode}.png").write_bytes(png(1, mode))
    Image.new("RGB", (1, 1)).save(new / "tiny.png")
    Image.new("RGB", (300, 20)).save(new / "wide.png")
    table = tutelage.load(run).predict(new).to_frame()
    assert len(table) == 8
    assert not table["error"].any()


def test_the_number_of_workers_changes_nothing(run: Path, tmp_path: Path) -> None:
    write(tmp_path / "new", *(f"{number}.png" for number in range(70)))
    (tmp_path / "new" / "31.png").write_bytes(b"")
    written = []
    for workers in ("0", "1", "3"):
        out = tmp_path / f"{workers}.csv"
        assert cli.run(["predict", str(run), str(tmp_path / "new"), "--out", str(out), "--workers", workers]) == 1
        written.append(out.read_bytes())
    assert written[0] == written[1] == written[2]


def test_a_file_that_is_there_is_replaced_on_request_alone(run: Path, tmp_path: Path) -> None:
    new, out = write(tmp_path / "new", "1.png"), tmp_path / "p.csv"
    out.write_text("mine")
    command = ["predict", str(run), str(new), "--out", str(out)]
    assert cli.run(command) == 2
    assert out.read_text() == "mine"
    assert cli.run([*command, "--overwrite"]) == 0
    assert len(rows(out)) == 1


def test_the_student_and_the_teacher_are_different_networks(run: Path, tmp_path: Path) -> None:
    new = write(tmp_path / "new", "1.png")
    tables = {
        network: tutelage.load(run, network=network).predict(new).to_frame()
        for network in ("auto", "student", "teacher")
    }
    assert tables["auto"].equals(tables["teacher"])
    assert not tables["auto"].equals(tables["student"])


def test_between_two_predictions_the_caller_has_its_own_warnings(run: Path) -> None:
    before = list(warnings.filters)
    items = list_given(run.parent / "photos")
    for _ in tutelage.load(run).predictions(items, batch=3):
        assert warnings.filters == before
