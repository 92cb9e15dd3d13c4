"""Model cards: what is said of a run, what is not, and what it must not be used for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import tutelage
from support.exports import few_pictures
from support.runs import change_json
from tutelage.core.intervals import share_interval
from tutelage.results.card.card import card_of
from tutelage.results.card.head import head_of
from tutelage.results.card.limits import limits_of
from tutelage.run.run_record import RunRecord


@pytest.fixture
def run(made: tutelage.Run, tmp_path: Path) -> Path:
    """A copy of a run that was scored on its test images."""
    return Path(shutil.copytree(made.path, tmp_path / "secret-name"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tutelage.Run:
    root = tmp_path_factory.mktemp("card")
    few_pictures(root / "test", steps=1)
    return few_pictures(root, method="mean-teacher", test=root / "test" / "pictures", steps=6)


def scored(run: Path, **values: Any) -> list[str]:
    """The limits of a run with other scores of its evaluated network."""
    evaluated = RunRecord(run).evaluated
    change_json(run / "result.json", lambda result: result["test"][evaluated].update(values))
    return limits_of(RunRecord(run))


def rows(cat: float, dog: float, n: int) -> dict[str, Any]:
    return {
        name: {"precision": recall, "recall": recall, "f1": recall, "support": n}
        for name, recall in (("cat", cat), ("dog", dog))
    }


def test_the_head_is_what_the_hub_reads(run: Path) -> None:
    head = head_of(RunRecord(run), {"efficientnet-lite0": "Apache-2.0"})
    assert head.startswith("---\nlicense: apache-2.0\nlibrary_name: tutelage\npipeline_tag: image-classification\n")
    assert head.endswith("\n---")
    result = json.loads(head.splitlines()[-2].strip().removeprefix("- "))
    assert result["metrics"][0]["value"] == pytest.approx(RunRecord(run).score, abs=1e-4)
    assert result["dataset"] == {"name": "not published", "type": "private", "split": "test"}


def test_a_license_is_stated_only_if_it_is_known(run: Path) -> None:
    record = RunRecord(run)
    assert "license" not in head_of(record, {})
    assert 'license: other\nlicense_name: "not stated"' in head_of(record, {"timm:x": "not stated"})
    assert "license: other" in head_of(record, {"a": "mit", "b": "Apache-2.0"})


def test_the_hub_reads_the_card(run: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard(card_of(RunRecord(run)))
    assert (card.data.library_name, card.data.pipeline_tag, card.data.metrics) == (
        "tutelage",
        "image-classification",
        ["accuracy"],
    )
    (result,) = card.data.eval_results
    assert (result.metric_type, result.dataset_type) == ("accuracy", "private")
    assert result.metric_value == pytest.approx(RunRecord(run).score, abs=1e-4)
    text = head_of(RunRecord(run), {"x": "weird: license"}) + "\n"
    assert hub.ModelCard(text).data.license_name == "weird: license"


def test_a_card_has_scores_with_their_interval_and_counts_and_no_names(run: Path) -> None:
    record = RunRecord(run)
    card = card_of(record)
    low, high = share_interval(record.score, 12)
    assert f"{record.score:.1%} (95% interval {100 * low:.1f} to {100 * high:.1f}, n = 12)" in card
    assert "calibration error (ECE, 15 bins)" in card
    assert f"{record.labels:,} labels" in card and "12 test images" in card
    assert "Tarvainen" in card  # the paper of the method
    assert "tutelage train DATA \\\n  --out RUN" in card and "--test TEST" in card
    assert "secret-name" not in card and "pictures" not in card and str(run.parent) not in card


def test_class_names_cannot_break_out_of_a_card(run: Path) -> None:
    change_json(run / "config.json", lambda config: config["data"].update(classes=["<b>|`cat`", "dog"]))
    assert "<b>" not in card_of(RunRecord(run)) and "&lt;b&gt;\\|" in card_of(RunRecord(run))


def test_few_images_promise_nothing_and_many_good_ones_leave_only_what_always_holds(run: Path) -> None:
    assert any(
        "only 99 images were scored" in line for line in scored(run, n=99, ece=0.0, per_class=rows(1.0, 1.0, 49))
    )
    limits = scored(run, n=2000, ece=0.02, accuracy=0.99, per_class=rows(0.99, 0.99, 1000),
                    confusion_matrix=[[990, 10], [10, 990]])  # fmt: skip
    assert len(limits) == 2 and limits[0].startswith("On images that show none of its 2 classes")


def test_a_class_that_is_often_missed_is_named_unless_chance_explains_it(run: Path) -> None:
    matrix = [[700, 300], [10, 990]]
    limits = scored(run, n=2000, ece=0.0, accuracy=0.845, per_class=rows(0.7, 0.99, 1000), confusion_matrix=matrix)
    assert any(line == "To find all images of these classes: cat (70% of 1000 are found)." for line in limits)
    limits = scored(run, n=2000, per_class=rows(0.89, 0.99, 9), confusion_matrix=matrix)
    assert not any("To find all images" in line for line in limits)


def test_a_poor_calibration_and_a_guesser_are_said(run: Path) -> None:
    limits = scored(run, n=2000, ece=0.12, per_class=rows(0.5, 0.5, 1000), accuracy=0.5, balanced_accuracy=0.5,
                    confusion_matrix=[[500, 500], [500, 500]])  # fmt: skip
    assert limits[0].startswith("For predictions at all: ")
    assert any("calibration error is 12.0%" in line for line in limits)


def test_a_run_without_a_score_says_so(tmp_path: Path) -> None:
    record = RunRecord(few_pictures(tmp_path).path)
    assert "No score: nothing outside the training was labeled." in card_of(record)
    assert limits_of(record)[0].startswith("For anything that needs a known accuracy")
    assert "metrics" not in head_of(record, {})
