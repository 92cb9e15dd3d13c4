"""Ramps and learning-rate factors at the points that the papers' code gives."""

import math
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutelage.core.schedules import (
    RAMPS,
    half_cosine,
    linear_rampup,
    seven_sixteenths_cosine,
    sigmoid_rampdown,
    sigmoid_rampup,
    stairs,
)


def test_the_sigmoid_rampup_starts_at_0_0067_and_ends_at_1() -> None:
    assert sigmoid_rampup(0, 80) == pytest.approx(math.exp(-5)) == pytest.approx(0.0067, abs=5e-5)
    assert sigmoid_rampup(80, 80) == sigmoid_rampup(1000, 80) == 1.0


def test_the_sigmoid_rampup_gives_mean_teachers_weights_of_the_first_epochs() -> None:
    weights = [100 * sigmoid_rampup(epoch, 5) for epoch in range(6)]
    assert weights == pytest.approx([0.67, 4.1, 16.5, 44.9, 81.9, 100], rel=0.01)


def test_the_mean_of_the_sigmoid_rampup_is_0_396() -> None:
    assert sum(sigmoid_rampup(step + 0.5, 10_000) for step in range(10_000)) / 10_000 == pytest.approx(0.396, abs=5e-4)


def test_the_linear_rampup_is_a_share_of_its_length() -> None:
    assert [linear_rampup(step, 4) for step in (0, 1, 2, 4, 9)] == [0, 0.25, 0.5, 1, 1]


@pytest.mark.parametrize("name", RAMPS)
def test_a_rampup_of_length_0_is_1_throughout(name: str) -> None:
    assert [RAMPS[name](step, 0) for step in (0, 1, 100)] == [1, 1, 1]


def test_the_rampdown_is_1_until_its_last_steps_and_ends_at_exp_minus_12_5() -> None:
    rampdown = partial(sigmoid_rampdown, total=150_000, length=25_000)
    assert rampdown(0) == rampdown(125_000) == 1.0
    assert rampdown(137_500) == pytest.approx(math.exp(-12.5 / 4))
    assert rampdown(150_000) == pytest.approx(math.exp(-12.5))


def test_a_rampdown_of_length_0_is_1_throughout() -> None:
    assert sigmoid_rampdown(10, 10, 0) == 1.0


def test_half_a_cosine_of_length_350_leaves_0_0495_at_epoch_300() -> None:
    assert half_cosine(300, 350) == pytest.approx(0.0495, abs=5e-5)
    assert half_cosine(0, 350) == 1.0
    assert half_cosine(175, 350) == pytest.approx(0.5)
    assert half_cosine(350, 350) == half_cosine(999, 350) == 0.0


def test_seven_sixteenths_of_a_cosine_ends_at_0_195_and_never_at_0() -> None:
    assert seven_sixteenths_cosine(0, 2**20) == 1.0
    assert seven_sixteenths_cosine(2**19, 2**20) == pytest.approx(math.cos(7 * math.pi / 32))
    assert seven_sixteenths_cosine(2**20, 2**20) == pytest.approx(0.195, abs=5e-4)
    assert seven_sixteenths_cosine(2**21, 2**20) == seven_sixteenths_cosine(2**20, 2**20)


def test_stairs_rise_at_the_first_step_of_each() -> None:
    steps = [0, 149, 150, 299, 300, 5999, 6000, 7000]
    assert [stairs(step, 6000, 40) for step in steps] == [0, 0, 150, 150, 300, 5850, 6000, 7000]
    assert stairs(7, 0, 40) == 7


@pytest.mark.parametrize(
    ("schedule", "sign"),
    [
        (lambda step: sigmoid_rampup(step, 100), 1),
        (lambda step: linear_rampup(step, 100), 1),
        (lambda step: sigmoid_rampdown(step, 150, 50), -1),
        (lambda step: half_cosine(step, 100), -1),
        (lambda step: seven_sixteenths_cosine(step, 100), -1),
    ],
    ids=["sigmoid_rampup", "linear_rampup", "sigmoid_rampdown", "half_cosine", "seven_sixteenths_cosine"],
)
@given(step=st.floats(-10, 200), later=st.floats(0, 50))
def test_schedules_go_one_way_and_stay_between_0_and_1(
    schedule: Callable[[float], float], sign: int, step: float, later: float
) -> None:
    now, then = schedule(step), schedule(step + later)
    assert 0 <= now <= 1
    assert sign * (then - now) >= 0
