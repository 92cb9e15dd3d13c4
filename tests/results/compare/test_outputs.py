from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tutelage.core.headlines import DICE
from tutelage.core.intervals import interval
from tutelage.results.compare.collect import ComparisonTable, MethodScores
from tutelage.results.compare.outputs import escape_tex, to_csv, to_markdown, to_tex, write_table

SUPERVISED = MethodScores("supervised", 40, {0: 0.5, 1: 0.6, 2: 0.7}, interval([50.0, 60.0, 70.0]), None)
BETTER = MethodScores("mean-teacher", 40, {0: 0.7, 2: 0.8}, interval([70.0, 80.0]), interval([20.0, 10.0]))
ALONE = MethodScores("fixmatch", None, {1: 0.9}, interval([90.0]), interval([30.0]))
TABLE = ComparisonTable("test", 100, 3, (SUPERVISED, BETTER, ALONE))


def test_the_csv_holds_the_numbers_and_the_seeds_they_are_of() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(TABLE).decode())))
    assert rows[1] == {
        "labels": "40",
        "method": "mean-teacher",
        "part": "test",
        "n": "2",
        "mean_percent": "75.0000",
        "std_percent": "7.0711",
        "gain_points": "15.0000",
        "gain_half_width": "63.5310",
        "gain_pairs": "2",
        "seeds": "0 2",
        "accuracies": "0.700000 0.800000",
    }
    assert (rows[0]["gain_points"], rows[2]["std_percent"], rows[2]["gain_half_width"]) == ("", "", "")


def test_markdown_has_a_row_a_method_and_what_was_scored() -> None:
    text = to_markdown(TABLE, [["first", "because"], ["second"]])
    assert text.startswith("# Accuracy on 100 test images\n")
    assert "| 40 | supervised | 60.0 ± 10.0 | 3 | - |" in text
    assert "| 40 | mean-teacher | 75.0 ± 7.1 | 2 of 3 | +15.0 ± 63.5 |" in text
    assert "| all | fixmatch | 90.0 | 1 of 3 | +30.0 |" in text
    assert text.endswith("- first\n  - because\n- second\n")


def test_tex_has_a_rule_between_numbers_of_labels() -> None:
    text = to_tex(TABLE)
    assert r"40 & mean-teacher & 75.0 $\pm$ 7.1 & 2 of 3 & +15.0 $\pm$ 63.5 \\" in text
    assert text.count(r"\midrule") == 2
    assert r"accuracy (\%)" in text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b & c%", r"a\_b \& c\%"),
        ("$x^2$", r"\$x\^{}2\$"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("~#", r"\textasciitilde{}\#"),
    ],
)
def test_tex_runs_nothing_of_a_text(text: str, escaped: str) -> None:
    assert escape_tex(text) == escaped


def test_validation_images_are_named_as_such(tmp_path: Path) -> None:
    write_table(ComparisonTable("validation", 50, 3, (SUPERVISED,)), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "results.md", "results.tex"]
    assert "There were no test images" in (tmp_path / "results.md").read_text()


SCANS = ComparisonTable(
    "test",
    8,
    2,
    (
        MethodScores("supervised", 3, {0: 0.5, 1: 0.6}, interval([50.0, 60.0]), None, interval([9.0, 11.0])),
        MethodScores("ua-mt", 3, {0: 0.7, 1: 0.7}, interval([70.0, 70.0]), interval([20.0, 10.0]), None),
    ),
    DICE,
)


def test_a_table_of_scans_is_in_points_of_dice_with_the_distance_beside_it() -> None:
    text = to_markdown(SCANS)
    assert text.startswith("# Dice on 8 test cases\n")
    assert "| labels | method | Dice (%) | HD95 pooled (mm) | n | gain over supervised (points) |" in text
    assert "| 3 | supervised | 55.0 ± 7.1 | 10.0 ± 1.4 | 2 | - |" in text
    assert "| 3 | ua-mt | 70.0 ± 0.0 | - | 2 | +15.0 ± 63.5 |" in text
    rows = list(csv.DictReader(io.StringIO(to_csv(SCANS).decode())))
    assert (rows[0]["hd95_pooled_mm_mean"], rows[1]["hd95_pooled_mm_mean"]) == ("10.0000", "")
    assert rows[0]["dice_scores"] == "0.500000 0.600000"
    assert r"\begin{tabular}{rlrrrr}" in to_tex(SCANS)
