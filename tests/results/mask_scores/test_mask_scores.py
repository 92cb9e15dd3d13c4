"""Masks of any tool against reference masks: names, grids, values, and what comes out."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

import tutelage
from tutelage import cli
from tutelage.core.errors import ConfigError, DataError
from tutelage.results.mask_scores.summary import ALL

AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])
SHAPE = (10, 9, 8)


def mask(shift: int = 0, value: int = 1) -> np.ndarray:
    found = np.zeros(SHAPE, np.uint8)
    found[2 + shift : 7 + shift, 2:6, 2:6] = value
    return found


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    """Predictions that are 0, 1, 2 and 3 voxels off along the first axis, and their references."""
    for shift in range(4):
        save(tmp_path / "pred" / f"c{shift}.nii.gz", mask(shift))
        save(tmp_path / "ref" / f"c{shift}.nii.gz", mask())
    return str(tmp_path / "pred"), str(tmp_path / "ref")


def test_scores_of_shifted_boxes_are_what_one_computes_by_hand(folders: tuple[str, str]) -> None:
    scores = tutelage.score(*folders, tolerance=1.0)
    rows = [scores.cases[f"c{shift}"]["foreground"] for shift in range(4)]
    assert [row["dice"] for row in rows] == pytest.approx([1.0, 0.8, 0.6, 0.4])
    assert [row["jaccard"] for row in rows] == pytest.approx([1.0, 4 / 6, 3 / 7, 2 / 8])
    assert rows[1]["nsd"] == 1.0 and rows[2]["nsd"] < 1.0  # 1 mm and 2 mm off
    assert [row["lesion_f1"] for row in rows] == [1.0] * 4
    assert all(row["predicted_ml"] == row["reference_ml"] == pytest.approx(5 * 4 * 4 * 6 / 1000) for row in rows)
    mean = scores.per_class["foreground"]["dice"]
    assert mean["mean"] == pytest.approx(0.7) and mean["std"] == pytest.approx(np.std([1, 0.8, 0.6, 0.4], ddof=1))
    assert mean["cases"] == 4 and 0.4 < mean["low"] < 0.7 < mean["high"] < 1.0


def test_two_sets_of_masks_are_compared_case_by_case(folders: tuple[str, str], tmp_path: Path) -> None:
    predicted, reference = folders
    for shift in range(4):
        save(tmp_path / "other" / f"c{shift}.nii.gz", mask(min(shift + 1, 3)))
    row = tutelage.score(predicted, reference, against=tmp_path / "other").differences["foreground"]["dice"]
    gains = [0.2, 0.2, 0.2, 0.0]
    assert row["mean"] == pytest.approx(np.mean(gains)) and row["better"] == 3 and row["cases"] == 4
    assert row["low"] <= row["mean"] <= row["high"] and row["p"] == pytest.approx(stats.wilcoxon(gains).pvalue)
    distance = tutelage.score(predicted, reference, against=tmp_path / "other").differences["foreground"]
    assert distance["assd_pooled_mm"]["mean"] < 0 and distance["assd_pooled_mm"]["better"] == 3


def test_names_match_whatever_their_suffix_and_form_and_others_are_named(tmp_path: Path) -> None:
    save(tmp_path / "pred" / f"{unicodedata.normalize('NFD', 'é')}.nii", mask())
    save(tmp_path / "pred" / "more.nii.gz", mask())
    save(tmp_path / "pred" / "more.probs.nii.gz", mask().astype(np.float32))
    save(tmp_path / "ref" / "labels" / f"{unicodedata.normalize('NFC', 'é')}.nii.gz", mask())
    save(tmp_path / "ref" / "labels" / "lost.nii.gz", mask())
    scores = tutelage.score(tmp_path / "pred", tmp_path / "ref")
    assert list(scores.cases) == ["é"]
    assert "has no mask for 1 of 2 references (lost)" in scores.warnings[0]
    assert "have no reference (more)" in scores.warnings[1]


def test_endings_that_say_what_a_mask_is_do_not_keep_names_apart(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / "pred" / f"0{number}_pred.nii.gz", mask(number))
        save(tmp_path / "ref" / f"0{number}_gt.nii.gz", mask())
    assert list(tutelage.score(tmp_path / "pred", tmp_path / "ref").cases) == ["00", "01"]
    one = tutelage.score(tmp_path / "pred" / "01_pred.nii.gz", tmp_path / "ref" / "00_gt.nii.gz")
    assert len(one.cases) == 1 and one.per_class["foreground"]["dice"]["std"] is None


def test_a_mask_along_other_axes_is_turned_and_one_elsewhere_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "ref" / "a.nii.gz", mask())
    turned = np.diag([-1.0, 2.0, 3.0, 1.0])
    turned[0, 3] = SHAPE[0] - 1
    save(tmp_path / "pred" / "a.nii.gz", mask()[::-1], turned)
    assert tutelage.score(tmp_path / "pred", tmp_path / "ref").cases["a"]["foreground"]["dice"] == 1.0
    moved = AFFINE.copy()
    moved[0, 3] = 7.0
    save(tmp_path / "pred" / "a.nii.gz", mask(), moved)
    with pytest.raises(DataError, match="lie up to 7 mm apart by their headers"):
        tutelage.score(tmp_path / "pred", tmp_path / "ref")
    save(tmp_path / "pred" / "a.nii.gz", mask()[1:])
    with pytest.raises(DataError, match="differ in shape: 9 x 9 x 8 and 10 x 9 x 8"):
        tutelage.score(tmp_path / "pred", tmp_path / "ref")


def test_classes_come_from_the_flag_the_names_beside_the_masks_or_the_values(tmp_path: Path) -> None:
    both = mask() + mask(0, 3) * (np.arange(SHAPE[0]) > 4)[:, None, None].astype(np.uint8)
    save(tmp_path / "pred" / "a.nii.gz", both)
    save(tmp_path / "ref" / "a.nii.gz", both)
    pair = tmp_path / "pred", tmp_path / "ref"
    assert tutelage.score(*pair).classes == ("background", "1", "4")
    assert list(tutelage.score(*pair).per_class) == ["1", "4", ALL]
    (tmp_path / "pred" / "labels.json").write_text('{"0": "air", "1": "rim", "4": "core"}')
    assert tutelage.score(*pair).classes == ("air", "rim", "core")
    assert tutelage.score(*pair, classes=["a", "b", "c=4"]).classes == ("a", "b", "c")
    with pytest.raises(DataError, match=r"a: the reference holds the value 4, which is not a class; known: 0 a, 1 b"):
        tutelage.score(*pair, classes=["a", "b"])
    assert tutelage.score(*pair, classes=["a", "b"], ignore_label=4).classes == ("a", "b")


def test_masks_of_255_and_of_1_are_one_class_and_it_is_said(tmp_path: Path) -> None:
    save(tmp_path / "pred" / "a.nii.gz", mask(0, 1))
    save(tmp_path / "ref" / "a.nii.gz", mask(0, 255))
    scores = tutelage.score(tmp_path / "pred", tmp_path / "ref")
    assert scores.cases["a"]["foreground"]["dice"] == 1.0
    assert scores.warnings == ("references have the value 255, predictions 1: taken for one class",)


def test_ignored_voxels_belong_to_no_mask(tmp_path: Path) -> None:
    true = mask()
    true[2:4] = 9
    save(tmp_path / "pred" / "a.nii.gz", mask())
    save(tmp_path / "ref" / "a.nii.gz", true)
    row = tutelage.score(tmp_path / "pred", tmp_path / "ref", ignore_label=9).cases["a"]["foreground"]
    assert row["dice"] == 1.0 and row["predicted_voxels"] == row["reference_voxels"] == 3 * 16


def test_empty_masks_have_no_distance_and_no_surface_in_common(tmp_path: Path) -> None:
    for name, predicted, true in (("a", 0, 0), ("b", 0, 1), ("c", 1, 0), ("d", 1, 1)):
        save(tmp_path / "pred" / f"{name}.nii.gz", mask() * predicted)
        save(tmp_path / "ref" / f"{name}.nii.gz", mask() * true)
    scores = tutelage.score(tmp_path / "pred", tmp_path / "ref")
    rows = [scores.cases[name]["foreground"] for name in "abcd"]
    for score in ("dice", "nsd", "lesion_f1"):
        assert [row[score] for row in rows] == [None, 0.0, 0.0, 1.0], score
    assert [row["assd_pooled_mm"] for row in rows] == [None, None, None, 0.0]
    assert scores.per_class["foreground"]["dice"]["cases"] == 3
    json.dumps(scores.to_dict(), allow_nan=False)


def test_pictures_are_scored_in_pixels_and_have_no_volume(tmp_path: Path) -> None:
    for folder in ("pred", "ref"):
        (tmp_path / folder).mkdir()
        Image.fromarray(mask()[..., 3] * 255).save(tmp_path / folder / "a.png")
    row = tutelage.score(tmp_path / "pred", tmp_path / "ref").cases["a"]["foreground"]
    assert row["nsd"] == 1.0 and row["volume_error_ml"] is None


def test_the_command_prints_tables_and_writes_json_and_csv(
    folders: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, csv = tmp_path / "scores.json", tmp_path / "cases.csv"
    words = ["score", *folders, "--against", folders[0], "--tolerance", "1.5", "--out", str(out), "--csv", str(csv)]
    assert cli.run(words) == 0
    said = capsys.readouterr().out
    assert "NSD at 1.5 mm" in said and "70.0% ±" in said and "0 of 4, p 1" in said
    assert json.loads(out.read_text())["per_class"]["foreground"]["dice"]["mean"] == pytest.approx(0.7)
    table = pd.read_csv(csv)
    assert len(table) == 8 and table.loc[table.set == "predicted", "dice"].tolist() == pytest.approx([1, 0.8, 0.6, 0.4])
    assert cli.run(words) == 2  # the files exist
    assert "exists; name another file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pred, ref: ["gone", ref], "gone: no such file or folder; expected a folder of masks"),
        (lambda pred, ref: [pred, ref, "--tolerance", "-1"], "tolerance must be a number of mm, at least 0"),
        (lambda pred, ref: [pred, ref, "--tolerance", "x"], "--tolerance must be a number, got 'x'"),
        (lambda pred, ref: [pred, ref, "--classes", "a"], "two or more, background among them"),
        (lambda pred, ref: [pred, ref, "--out", "scores.txt"], "the name must end in .json"),
        (lambda pred, ref: [pred, ref, "--csv", f"{ref}/c0.csv", "--out", f"{ref}/c0.nii.gz"], "must end in .json"),
        (lambda pred, ref: [pred, f"{ref}/c0.nii.gz/x"], "no such file or folder"),
    ],
    ids=["missing", "negative", "word", "one class", "ending", "onto", "below a file"],
)
def test_what_cannot_be_scored_is_one_line(
    folders: tuple[str, str], change: Any, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["score", *change(*folders)]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_all_damaged_masks_are_named_before_any_is_scored(folders: tuple[str, str]) -> None:
    for name in ("c1", "c2"):
        (Path(folders[0]) / f"{name}.nii.gz").write_bytes(b"damaged")
    with pytest.raises(DataError) as caught:
        tutelage.score(*folders)
    assert len(caught.value.faults) == 2
    with pytest.raises(ConfigError, match="tolerance"):
        tutelage.score(*folders, tolerance=float("nan"))
