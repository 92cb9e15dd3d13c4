"""Several runs on one page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.runs import unsealed
from tutelage.results.report import write_report
from tutelage.results.report.blocks import Text
from tutelage.results.report.comparison import comparison_sections, curve_names
from tutelage.run.run_record import RunRecord


@pytest.fixture
def variant(run: Path, tmp_path: Path) -> Any:
    """Makes a copy of the run with other settings and another accuracy."""

    def make(name: str, accuracy: float, *, labels: int = 78, **settings: Any) -> Path:
        folder = Path(shutil.copytree(run, tmp_path / name))
        config = unsealed(folder / "config.json")
        for key, value in settings.items():
            section, _, setting = key.partition("__")
            config["settings"][section][setting] = value
        (folder / "config.json").write_text(json.dumps(config))
        result = unsealed(folder / "result.json")
        result["test"]["teacher"]["accuracy"] = accuracy
        (folder / "result.json").write_text(json.dumps(result))
        split = unsealed(folder / "split.json")
        split["labeled"] = split["labeled"][: labels - len(split["held_out"])]
        (folder / "split.json").write_text(json.dumps(split))
        return folder

    return make


def texts_of(runs: list[Path]) -> list[str]:
    sections = comparison_sections([RunRecord(run) for run in runs])
    return [block.text for section in sections for block in section.blocks if isinstance(block, Text)]


def page_of(runs: list[Path], folder: Path) -> str:
    write_report(runs, folder / "page.html", most=10, overwrite=True)
    return (folder / "page.html").read_text()


@pytest.mark.long
def test_runs_of_several_seeds_give_mean_spread_and_number(variant: Any, tmp_path: Path) -> None:
    runs = [variant("a", 0.6, train__seed=0), variant("b", 0.7, train__seed=1), variant("c", 0.5, labels=40)]
    page = page_of(runs, tmp_path)
    assert "65.0 ± 7.1% (2)" in page and "50.0% (1)" in page
    assert "40 labels" in page and "78 labels" in page
    assert "Accuracy over the number of labels" in page
    assert page.count('class="chapter"') == 3


def test_runs_of_a_method_are_told_apart_by_their_settings(variant: Any) -> None:
    runs = [
        variant("a", 0.6),
        variant("b", 0.6, method__threshold=0.5, train__seed=3),
        variant("c", 0.5, train__seed=4),
    ]
    assert curve_names([RunRecord(run) for run in runs]) == [
        "fixmatch (threshold 0.4)",
        "fixmatch (threshold 0.5)",
        "fixmatch (threshold 0.4)",
    ]


def test_settings_that_follow_the_number_of_labels_are_one_curve_and_are_told(variant: Any) -> None:
    runs = [
        variant("a", 0.6, labels=40, method__threshold=0.5),
        variant("b", 0.6, labels=60, method__threshold=0.5, train__seed=3),
        variant("c", 0.5, labels=78),
    ]
    assert curve_names([RunRecord(run) for run in runs]) == ["fixmatch"] * 3
    assert texts_of(runs) == [
        "Settings of fixmatch that depend on the number of labels: method.threshold 0.5 with 40 and 60 labels, 0.4 "
        "with 78 labels."
    ]
    runs.append(variant("d", 0.5, method__threshold=0.5))
    assert len(set(curve_names([RunRecord(run) for run in runs]))) == 2
    assert texts_of(runs) == []


@pytest.mark.parametrize(
    ("part", "warning"),
    [
        ("train", ["these runs were trained on different data, so their numbers cannot be compared."]),
        ("test", ["these runs were scored on different test images, so their numbers cannot be compared."]),
        ("val", []),
    ],
)
def test_runs_on_other_data_are_not_compared_silently(part: str, warning: list[str], variant: Any) -> None:
    runs = [variant("a", 0.6), variant("b", 0.7)]
    assert texts_of(runs) == []
    config = unsealed(runs[1] / "config.json")
    config["data"]["fingerprint"] = "0" * 32
    config["data"]["parts"].setdefault(part, {})["contents"] = "0" * 32
    (runs[1] / "config.json").write_text(json.dumps(config))
    assert texts_of(runs) == [f"Caution: {text}" for text in warning]


def test_a_run_that_is_not_finished_is_named(variant: Any) -> None:
    runs = [variant("a", 0.6), variant("b", 0.7)]
    (runs[1] / "result.json").unlink()
    assert texts_of(runs) == ["Caution: not finished yet: b."]


def test_a_page_of_many_runs_leaves_out_details(variant: Any, tmp_path: Path) -> None:
    runs = [variant(f"seed-{k}", 0.5 + k / 100, train__seed=k) for k in range(7)]
    page = page_of(runs, tmp_path)
    assert "53.0 ± 2.2% (7)" in page and 'class="chapter"' not in page
