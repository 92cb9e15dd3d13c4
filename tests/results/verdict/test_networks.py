"""A run and its baseline are compared by networks that the same rule chooses, and a fine-tuned network is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tutelage
from support.runs import change_json, unsealed
from tutelage.results.verdict.networks import better_network
from tutelage.results.verdict.verdict import Verdict, judge, read_verdict, write_verdict
from tutelage.run.run_record import RunRecord
from tutelage.run.scored import of_network, read_scored

pytestmark = pytest.mark.usefixtures("by_flags")

BRIEF: dict[str, Any] = {"label_count": 100, "batch_size": 16, "workers": 1, "device": "cpu", "network": "small"}
BRIEF |= {"method": "mean-teacher", "unlabeled_ratio": 1, "steps": 40, "eval_every": 1000, "log_every": 10}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose teacher keeps up, and a baseline whose teacher averages over far more than its steps."""
    out = tmp_path_factory.mktemp("runs") / "run"
    narrow = {"network.width": 16, "method.ema_warmup": False}
    tutelage.train("digits", out=out, **BRIEF, settings=narrow | {"method.ema_decay": 0.5})
    alone = BRIEF | {"method": "supervised"}
    tutelage.train("digits", out=out / "baseline", **alone, settings=narrow | {"method.ema_decay": 0.98})
    return out


@pytest.fixture
def copy(pair: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pair, tmp_path / "run"))


def score(run: Path, network: str) -> float:
    found = RunRecord(run).score_of(network)
    assert found is not None
    return found


def test_predictions_of_both_networks_are_kept(pair: Path) -> None:
    label, teacher = read_scored(pair, "test", "label", "predicted")
    other_label, student = read_scored(pair, "test", *(of_network(name, "student") for name in ("label", "predicted")))
    assert np.array_equal(label, other_label)
    assert (label == teacher).mean() == pytest.approx(score(pair, "teacher"))
    assert (label == student).mean() == pytest.approx(score(pair, "student"))


def test_a_lagging_teacher_of_the_baseline_does_not_inflate_the_gain(pair: Path) -> None:
    lag = score(pair / "baseline", "student") - score(pair / "baseline", "teacher")
    assert lag > 0.1
    verdict = judge([(pair, pair / "baseline")])
    best = max(score(pair, "student"), score(pair, "teacher"))
    mine = score(pair, better_network(RunRecord(pair)) or "teacher")
    assert mine > best - 0.015
    assert verdict.gain == pytest.approx(100 * (mine - score(pair / "baseline", "student")), abs=1e-4)
    assert verdict.baseline_score == pytest.approx(score(pair / "baseline", "student"))
    assert "the supervised baseline is compared by its student" in verdict.notes[-1]


def test_the_rule_is_the_same_for_a_run_and_its_baseline(pair: Path) -> None:
    there, back = judge([(pair, pair / "baseline")]), judge([(pair / "baseline", pair)])
    assert there.gain == pytest.approx(-back.gain)


def edited(run: Path, change: Any) -> None:
    result = unsealed(run / "result.json")
    change(result)
    (run / "result.json").write_text(json.dumps(result))


def test_a_network_that_is_better_by_a_point_or_an_image_does_not_take_the_place_of_the_evaluated(copy: Path) -> None:
    own = score(copy, "teacher")
    for gain, expected in ((0.0, ""), (0.012, ""), (0.014, "student")):  # of 355 images
        edited(copy, lambda result, gain=gain: result["test"]["student"].update(accuracy=own + gain))
        assert better_network(RunRecord(copy)) == expected


def test_of_an_older_baseline_a_lagging_teacher_puts_the_gain_in_doubt(copy: Path) -> None:
    scored = copy / "baseline" / "scored.npz"
    with np.load(scored) as arrays:
        kept = {name: arrays[name] for name in arrays if "student" not in name}
    np.savez(scored, allow_pickle=False, **kept)
    change_json(copy / "baseline" / "result.json", lambda result: result.pop("files"))  # older ones have no hashes
    verdict = judge([(copy, copy / "baseline")])
    assert verdict.gain == pytest.approx(100 * (score(copy, "teacher") - score(copy / "baseline", "teacher")), abs=1e-4)
    assert verdict.outcome != "helped"
    assert "lagging baseline" in [cause.name for cause in verdict.causes]
    assert verdict.notes == ()


def test_a_verdict_on_a_run_that_was_fine_tuned_says_that_it_compares_the_heads(copy: Path) -> None:
    plain = judge([(copy, copy / "baseline")])
    assert "fine-tuned" not in " ".join(plain.notes)
    shutil.copytree(copy, copy.parent / "tuned")
    shutil.move(copy.parent / "tuned", copy / "finetuned")
    (copy / "kept.json").write_text(json.dumps({"kept": "head", "reason": "it is better"}))
    assert judge([(copy, copy / "baseline")]) == plain
    (copy / "kept.json").write_text(json.dumps({"kept": "finetuned", "reason": "it is better"}))
    verdict = judge([(copy, copy / "baseline")])
    assert verdict.gain == plain.gain
    assert verdict.notes[-1] == (
        "this compares the heads on the frozen network, with and without unlabeled images; the fine-tuned network, "
        f"which makes the predictions ({score(copy / 'finetuned', 'teacher'):.1%}), has no supervised baseline"
    )
    write_verdict(verdict, copy)
    assert read_verdict(copy) == verdict
    assert verdict.remarks[-1].startswith("This compares the heads")


def test_a_verdict_without_guessing_or_notes_reads_as_before() -> None:
    verdict = Verdict("fixmatch", 40, "helped", 12.7, 1.5, 1, "test", 5000, ())
    assert verdict.headline == verdict.gained and verdict.remarks == ()
