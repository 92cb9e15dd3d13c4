from __future__ import annotations

import pytest
import torch

from tutelage.training.health import Health


def value(x: float) -> torch.Tensor:
    return torch.tensor(x)


def test_finite_values_raise_no_alarm() -> None:
    health = Health(torch.device("cpu"))
    for step in range(3):
        assert bool(health.observe(step, {"loss": value(1.0), "gradient": value(1e30)}))
    assert health.first_fault() is None


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_the_first_fault_is_named_with_step_and_place_and_the_flag_stays_down(bad: float) -> None:
    health = Health(torch.device("cpu"))
    health.observe(0, {"loss": value(1.0), "gradient": value(1.0)})
    assert not bool(health.observe(1, {"loss": value(1.0), "gradient": value(bad)}))
    assert not bool(health.observe(2, {"loss": value(bad), "gradient": value(1.0)}))
    assert not bool(health.observe(3, {"loss": value(1.0), "gradient": value(1.0)}))
    assert health.first_fault() == (1, "gradient")
