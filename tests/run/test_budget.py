from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tutelage.core.errors import ConfigError
from tutelage.run import budget
from tutelage.run.budget import (
    LEAST_STEPS,
    Costs,
    Deadline,
    TooShort,
    budget_fault,
    budget_text,
    needed_budget,
    plan_lengths,
    report_limit,
    timing_limit,
)


def costs(**more: Any) -> Costs:
    given = {"reading": 5.0, "timing": 3.0, "step": 0.1, "evaluation": 0.2, "closing": 4.0, "report": 6.0}
    return Costs(**{**given, **more})


def taken(lengths: Any, cost: float, found: Costs, eval_every: int | None = None) -> float:
    """Seconds of a training."""
    every = lengths.eval_every or max(1, lengths.steps // budget.EVALUATIONS)
    return lengths.steps * cost + -(-lengths.steps // every) * found.evaluation


@pytest.mark.parametrize("seconds", [40.0, 60.0, 180.0, 3600.0])
@pytest.mark.parametrize("evaluation", [0.0, 0.2, 2.0])
def test_the_whole_command_fills_its_budget(seconds: float, evaluation: float) -> None:
    found = costs(evaluation=evaluation)
    own, none = plan_lengths(seconds, found)
    assert none is None
    whole = 5.0 + 3.0 + 4.0 + 6.0 + taken(own, 0.1, found)
    assert 0.9 * seconds - 2.0 <= whole <= seconds


@pytest.mark.parametrize("share", [0.25, 0.5])
@pytest.mark.parametrize("seconds", [60.0, 180.0, 3600.0])
def test_the_scores_of_both_runs_are_paid_before_the_time_for_training_is_shared(seconds: float, share: float) -> None:
    found = costs(closing=15.0, baseline_step=0.05)
    own, baseline = plan_lengths(seconds, found, share=share)
    assert baseline is not None
    mine, theirs = taken(own, 0.1, found), taken(baseline, 0.05, found)
    assert 0.9 * seconds - 3.0 <= 5.0 + 3.0 + 2 * 15.0 + 6.0 + mine + theirs <= seconds
    assert theirs / (mine + theirs) == pytest.approx(share, abs=0.06)


def test_a_baseline_that_could_not_be_scored_is_refused_before_anything_is_trained() -> None:
    found = costs(closing=56.0, baseline_step=0.05)  # its quarter of 3 minutes is 45 s
    assert plan_lengths(180.0, found, share=0.25)[1] is not None
    with pytest.raises(TooShort):
        plan_lengths(130.0, found, share=0.25)
    assert plan_lengths(130.0, dataclasses.replace(found, baseline_step=None))[0].steps >= LEAST_STEPS


def test_a_head_takes_no_more_steps_than_are_enough() -> None:
    own, baseline = plan_lengths(3600.0, costs(most=500, baseline_step=0.1), share=0.25)
    assert baseline is not None and (own.steps, baseline.steps) == (500, 500)


def test_an_interval_of_evaluations_that_was_given_is_kept() -> None:
    found = costs(evaluation=1.0)
    own, _ = plan_lengths(120.0, found, eval_every=5)
    assert own.eval_every == 5
    assert taken(own, 0.1, found) <= 120.0 - 18.0
    assert own.steps < plan_lengths(120.0, found)[0].steps


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"step": 30.0},
        {"closing": 300.0},
        {"reading": 500.0},
        {"evaluation": 40.0},
        {"baseline_step": 2.0, "closing": 56.0},
        {"timing": 45.0, "step": 45.0},
        {"report": 0.0},
    ],
)
@pytest.mark.parametrize("eval_every", [None, 3])
def test_the_budget_that_is_suggested_holds(more: dict[str, Any], eval_every: int | None) -> None:
    found, share = costs(**more), 0.25
    needed = needed_budget(found, share=share, eval_every=eval_every)
    timing = max(found.timing, timing_limit(needed))  # a longer budget leaves more time to timing and to the report
    again = dataclasses.replace(
        found, timing=timing, report=report_limit(needed) if found.report else 0.0, step=1.1 * found.step
    )
    plan_lengths(needed, again, share=share, eval_every=eval_every)
    with pytest.raises(TooShort):
        plan_lengths(needed / 1.6, again, share=share, eval_every=eval_every)


def test_timing_takes_at_most_a_tenth_of_the_budget() -> None:
    assert [timing_limit(seconds) for seconds in (20.0, 60.0, 120.0, 3600.0)] == [2.0, 6.0, 12.0, 20.0]


def fault(seconds: float, found: Costs, **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        plan_lengths(seconds, found, share=0.25)
    assert isinstance(caught.value, TooShort)
    given = {"smaller": "data.image_size", "items": "images", "baseline": found.baseline_step is not None}
    return budget_fault(f"{seconds:g}s", caught.value, **{**given, **more})


def test_the_error_names_costs_a_budget_that_would_do_and_what_to_lower_the_most_expensive_first() -> None:
    said = fault(20.0, costs(step=3.0))
    assert said.startswith("train.budget 20s is too short for the whole command: reading the data 5.0 s, timing 3.0 s")
    assert (
        "each of at least 10 steps 3.0 s. --budget 80s would do; or lower train.batch_size or data.image_size" in said
    )
    assert "leave out --baseline" not in said
    said = fault(60.0, costs(closing=60.0, baseline_step=0.1))
    assert "the final scores 120 s" in said
    assert said.index("score fewer images (--test)") < said.index("leave out --baseline")
    assert "lower train.batch_size" not in said
    assert "leave out the report (--no-report)" in fault(10.0, costs())
    assert "--no-report" not in fault(8.0, costs(report=0.0))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(31.0, "40s"), (40.0, "40s"), (119.0, "120s"), (121.0, "3m"), (7190.0, "120m"), (7300.0, "3h")],
)
def test_a_budget_is_rounded_up_to_what_a_user_would_write(seconds: float, text: str) -> None:
    assert budget_text(seconds) == text


def test_a_budget_runs_from_the_beginning_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget.time, "monotonic", lambda: 130.0)
    deadline = Deadline(100.0, "2m")
    assert (deadline.seconds, deadline.spent(), deadline.left()) == (120.0, 30.0, 90.0)
