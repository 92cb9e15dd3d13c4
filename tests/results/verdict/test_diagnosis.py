from __future__ import annotations

import math
from typing import Any

import pytest

from tutelage.data.images.evidence import reached_by_chance
from tutelage.results.verdict import diagnosis
from tutelage.results.verdict.diagnosis import diagnose
from tutelage.results.verdict.evidence import Evidence
from tutelage.run.run_record import RunRecord

pytestmark = pytest.mark.usefixtures("by_flags")

STEPS = 1000


def record(
    accuracy: float = 0.7,
    *,
    method: dict[str, Any] | None = None,
    logged: dict[str, Any] | None = None,
    student: float | None = None,
    validation: list[float] | None = None,
    predicted: int | None = None,
    labels: int = 100,
    **result: Any,
) -> RunRecord:
    """A run of 1,000 steps on four classes, scored on 400 images, with the same values in each log line."""
    right = round(100 * accuracy)
    matrix = [[right if row == column else (100 - right) // 3 for column in range(4)] for row in range(4)]
    if predicted is not None:
        matrix = [[100 if column == predicted else 0 for column in range(4)] for _ in range(4)]
    scores = {"accuracy": accuracy, "n": 400, "confusion_matrix": matrix}
    lines = {"supervised": 0.1} | (logged or {})
    values = validation or [accuracy] * 20
    run = RunRecord("run")
    vars(run).update(  # what it would read from its folder
        config={
            "settings": {
                "method": {"name": "fixmatch"} | (method or {}),
                "data": {"unlabeled": None},
                "train": {"batch_size": 10, "unlabeled_ratio": 2.0},
            },
            "plan": {"steps": STEPS},
            "data": {"classes": ["ant", "bee", "cat", "dog"]},
        },
        result={
            "evaluated": "teacher",
            "test": {"teacher": scores, "student": scores | {"accuracy": accuracy if student is None else student}},
            "validation": {"teacher": scores, "student": scores},
        }
        | result,
        split={"unlabeled_images": 5000, "labeled": ["row"] * labels, "held_out": []},
        training=[{"kind": "training", "step": step, **lines} for step in range(50, STEPS + 1, 50)],
        validation=[
            {"kind": "validation", "step": 50 * (number + 1), "teacher": {"accuracy": value}, "student": {}}
            for number, value in enumerate(values)
        ],
    )
    return run


HEALTHY = {"pseudo/share": 0.8, "pseudo/accuracy": 0.9, "pseudo/class_share": [0.25] * 4, "unsupervised": 0.1}
FIXMATCH = {"threshold": 0.95, "unlabeled_weight": 1.0, "ema_decay": 0.99}
MEAN_TEACHER = {"consistency_weight": 50.0, "ema_decay": 0.99}
GOOD_LABELS = {"agreement": 0.6, "chance": 0.25, "z": 9.0, "images": 100}
RANDOM_LABELS = {"agreement": 0.26, "chance": 0.25, "z": 0.3, "images": 100}


def names(run: RunRecord, baseline: RunRecord | None = None) -> list[str]:
    return [reason.name for reason in diagnose([Evidence(run, baseline or record())])]


def fixmatch(accuracy: float = 0.7, **changes: Any) -> RunRecord:
    return record(accuracy, **({"method": FIXMATCH, "logged": HEALTHY} | changes))


def test_a_healthy_run_has_no_reason_to_fail() -> None:
    assert names(fixmatch()) == []
    assert names(record(method=MEAN_TEACHER, logged={"consistency": 0.002, "consistency_weight": 40.0})) == []


@pytest.mark.parametrize(
    ("run", "baseline", "name", "flag"),
    [
        (fixmatch(0.3, label_fit=RANDOM_LABELS), record(0.27), "labels", "--labels"),
        (fixmatch(0.3), record(0.27), "labels", "--labels"),
        (fixmatch(gap={"auc": 0.99, "limit": 0.75}), record(), "other images", "unlabeled"),
        (
            fixmatch(gap={"auc": 0.99, "limit": 0.75, "by_shares": True}),
            record(),
            "other class shares",
            "--data.labeled-sampling classes",
        ),
        (fixmatch(logged=HEALTHY | {"pseudo/share": 0.0}), record(), "few pseudo-labels", "--method.threshold 0.81"),
        (
            fixmatch(logged=HEALTHY | {"pseudo/share": 0.0}, method=FIXMATCH | {"threshold": 1.0}),
            record(),
            "few pseudo-labels",
            "--method.threshold 0.95",
        ),
        (
            fixmatch(logged=HEALTHY | {"pseudo/class_share": [0.0, 0.0, 0.9, 0.1]}),
            record(),
            "one class takes over",
            "--method.unlabeled-weight 0.25",
        ),
        (
            record(0.25, method=MEAN_TEACHER, predicted=2, label_fit=GOOD_LABELS),
            record(),
            "one class takes over",
            "--method.consistency-weight 12.5",
        ),
        (fixmatch(logged=HEALTHY | {"pseudo/accuracy": 0.4}), record(), "wrong pseudo-labels", "label more images"),
        (
            record(method=MEAN_TEACHER, logged={"consistency": 1e-5, "consistency_weight": 5.0}),
            record(),
            "weak unlabeled loss",
            "--method.consistency-weight 500",
        ),
        (
            record(method=MEAN_TEACHER, logged={"supervised": 1.0, "consistency": 0.1, "consistency_weight": 50.0}),
            record(logged={"supervised": 0.05}),
            "unlabeled loss too strong",
            "--method.consistency-weight 12.5",
        ),
        (fixmatch(method=FIXMATCH | {"ema_decay": 0.999}, student=0.8), record(), "slow average", "--method.ema-decay"),
        (fixmatch(logged=HEALTHY | {"supervised": 1.3}), record(), "too few steps", "--steps 3000"),
        (fixmatch(validation=[0.3 + 0.02 * n for n in range(20)]), record(), "too few steps", "--steps 3000"),
        (fixmatch(0.99), record(0.98), "little left to gain", "--label-count"),
    ],
)
def test_each_failure_is_named_first_with_a_flag_to_try(
    run: RunRecord, baseline: RunRecord, name: str, flag: str
) -> None:
    first = diagnose([Evidence(run, baseline)])[0]
    assert first.name == name
    assert flag in first.flag


ENTROPY = {"entropy_weight": 0.1, "ema_decay": 0.99}
OWN = {"agreement_weight": 2.0}


@pytest.mark.parametrize(
    ("method", "logged", "expected"),
    [
        (ENTROPY, {"unlabeled_loss": 1e-4, "entropy": 0.9}, "--method.entropy-weight 1"),
        (OWN, {"unlabeled_loss": 1e-4}, "--method.agreement-weight 20"),
        ({}, {"unlabeled_loss": 1e-4}, "a larger weight of the unlabeled loss"),
        # the column counts, not the cost and the weight that older runs are read by
        (
            MEAN_TEACHER,
            {"unlabeled_loss": 1e-4, "consistency": 1.0, "consistency_weight": 50.0},
            "--method.consistency-weight 500",
        ),
    ],
)
def test_a_weak_unlabeled_loss_of_any_method_is_found_by_its_column(
    method: dict[str, float], logged: dict[str, float], expected: str
) -> None:
    (reason,) = diagnose([Evidence(record(method=method, logged=logged), record())])
    assert (reason.name, reason.flag) == ("weak unlabeled loss", expected)
    assert names(record(method=method, logged=logged | {"unlabeled_loss": 0.1})) == []


def test_a_strong_unlabeled_loss_of_any_method_is_found_by_its_column() -> None:
    run = record(method=ENTROPY, logged={"supervised": 0.9, "unlabeled_loss": 5.0})
    (reason,) = diagnose([Evidence(run, record(logged={"supervised": 0.05}))])
    assert (reason.name, reason.flag) == ("unlabeled loss too strong", "--method.entropy-weight 0.025")


def test_an_untrained_network_says_nothing_of_labels_that_fit() -> None:
    untrained = record(0.27, logged={"supervised": math.log(4)})
    assert names(fixmatch(0.27, label_fit=GOOD_LABELS), untrained) == []
    assert names(fixmatch(0.27), untrained) == []


def test_labels_that_teach_more_than_random_ones_would_are_not_called_wrong() -> None:
    """On four classes labels dealt out at random, and 400 scored images, seldom give more than 34.7%."""
    assert reached_by_chance(0.25, 200, 400) == pytest.approx(0.25 + 2 * math.sqrt(0.25 * 0.75 * (0.01 + 0.0025)))
    run = fixmatch(0.35, label_fit=RANDOM_LABELS)
    assert names(run, record(0.35, labels=200)) == []
    (wrong,) = diagnose([Evidence(run, record(0.34, labels=200))])
    assert wrong.evidence.startswith(
        "the labels do not fit the images: supervised training classifies 34% of other images correctly"
    )


def test_few_labels_are_called_too_few_or_wrong() -> None:
    run = fixmatch(0.36, label_fit=RANDOM_LABELS)
    (few,) = diagnose([Evidence(run, record(0.36, labels=50))])
    assert few.name == "labels"
    assert few.evidence.startswith(
        "the 50 labels are too few, or do not fit the images: supervised training classifies"
    )
    assert few.flag.startswith("label more images")


def test_causes_stand_before_what_follows_from_them() -> None:
    run = fixmatch(
        gap={"auc": 1.0, "limit": 0.75}, logged=HEALTHY | {"pseudo/share": 0.0, "supervised": 1.3}, student=0.9
    )
    assert names(run) == ["other images", "few pseudo-labels", "too few steps"]


def test_what_most_seeds_show_stands_first() -> None:
    slow = fixmatch(method=FIXMATCH | {"ema_decay": 0.999}, student=0.8)
    wrong = fixmatch(logged=HEALTHY | {"pseudo/accuracy": 0.4})
    cases = [Evidence(run, record()) for run in (slow, wrong, wrong)]
    assert [reason.name for reason in diagnose(cases)] == ["wrong pseudo-labels", "slow average"]


def test_over_several_seeds_a_reason_says_in_how_many_it_was_found() -> None:
    few, well = fixmatch(logged=HEALTHY | {"pseudo/share": 0.0}), fixmatch(logged=HEALTHY)
    (reason,) = diagnose([Evidence(few, record()), Evidence(few, record()), Evidence(well, record())])
    assert reason.evidence.endswith("(in 2 of 3 seeds; the numbers are from one of them)")
    (reason,) = diagnose([Evidence(few, record()), Evidence(few, record())])
    assert reason.evidence.endswith("(in all 2 seeds; the numbers are from one of them)")
    (reason,) = diagnose([Evidence(few, record())])
    assert "seeds" not in reason.evidence


def test_a_few_hidden_labels_say_nothing_of_the_pseudo_labels() -> None:
    """Of 5,000 unlabeled images."""
    for known, expected in ((0.009, []), (0.011, ["wrong pseudo-labels"]), (None, ["wrong pseudo-labels"])):
        logged = HEALTHY | {"pseudo/accuracy": 0.4} | ({} if known is None else {"pseudo/known": known})
        assert names(fixmatch(logged=logged)) == expected


def test_a_larger_label_count_is_advised_only_where_labels_are_hidden() -> None:
    run = fixmatch(logged=HEALTHY | {"pseudo/accuracy": 0.4})
    run.settings["data"]["label_count"] = 40
    assert diagnose([Evidence(run, record())])[0].flag == "a larger --label-count"


def test_a_gain_over_a_baseline_that_learned_nothing_is_in_doubt() -> None:
    trained, untrained = record(logged={"supervised": 0.1}), record(logged={"supervised": 1.2})
    assert diagnosis.short_baseline([Evidence(fixmatch(), trained)]) is None
    doubt = diagnosis.short_baseline([Evidence(fixmatch(), untrained)])
    assert doubt is not None
    assert doubt.strength >= diagnosis.DOUBT


def scans(dice: float = 0.7, *, logged: dict[str, Any] | None = None, **changes: Any) -> RunRecord:
    """A run on scans, scored on 8 cases: it has no confusion matrix."""
    made = record(dice, method={"name": "mean-teacher"} | MEAN_TEACHER, logged=logged, **changes)
    scores = {"dice": dice, "dice_std": 0.08, "n": 8}
    made.settings["segmentation"] = {"dice_weight": 0.5}
    made.final.update(headline="dice", test=dict.fromkeys(("student", "teacher"), scores))
    made.final.update(validation=made.final["test"])
    made.validation[:] = [row | {"teacher": {"dice": row["teacher"]["accuracy"]}} for row in made.validation]
    return made


FOUND = {"supervised": 0.08, "consistency": 0.01, "consistency_weight": 1.0}


def test_a_healthy_run_on_scans_has_no_reason_to_fail() -> None:
    assert names(scans(logged=FOUND), scans(logged=FOUND)) == []


@pytest.mark.parametrize(
    ("run", "baseline", "name"),
    [
        (scans(logged=FOUND | {"consistency": 1e-4}), scans(), "weak unlabeled loss"),
        (scans(logged=FOUND | {"supervised": 0.45}), scans(logged={"supervised": 0.4}), "too few steps"),
        (scans(logged=FOUND, validation=[0.2 + 0.03 * n for n in range(20)]), scans(), "too few steps"),
        (scans(logged=FOUND), scans(0.98), "little left to gain"),
    ],
)
def test_what_fails_on_scans_is_named_in_their_words(run: RunRecord, baseline: RunRecord, name: str) -> None:
    reason = diagnose([Evidence(run, baseline)])[0]
    assert reason.name == name
    assert "image" not in reason.evidence + reason.flag
    assert "accuracy" not in reason.evidence


def test_scans_that_differ_much_hide_a_small_rise() -> None:
    rising = [0.50 + 0.003 * n for n in range(20)]
    assert names(scans(logged=FOUND, validation=rising), scans(logged=FOUND)) == []


def test_a_gain_over_a_baseline_that_finds_no_organ_is_in_doubt() -> None:
    assert diagnosis.short_baseline([Evidence(scans(logged=FOUND), scans(logged={"supervised": 0.2}))]) is None
    assert diagnosis.short_baseline([Evidence(scans(logged=FOUND), scans(logged={"supervised": 0.35}))]) is not None
