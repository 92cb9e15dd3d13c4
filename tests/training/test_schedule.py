from __future__ import annotations

import pytest
from torch import nn

from tutelage.config.settings import OptimizerConfig
from tutelage.training.optimizer import build_optimizer
from tutelage.training.schedule import lr_factor, momentum_at, set_schedule


@pytest.mark.parametrize(
    ("cfg", "expected"),
    [
        (OptimizerConfig(schedule="constant"), {0: 1.0, 99: 1.0}),
        (OptimizerConfig(schedule="cosine-7-16"), {0: 1.0, 100: 0.19509}),
        (OptimizerConfig(schedule="cosine"), {0: 1.0, 50: 0.5, 100: 0.0}),
        (OptimizerConfig(schedule="cosine", cosine_length=350 / 300), {100: 0.04952}),
        (OptimizerConfig(schedule="step"), {79: 1.0, 80: 0.2}),
        (
            OptimizerConfig(schedule="step", step_at=(0.5, 0.75), step_factor=0.1),
            {0: 1.0, 49: 1.0, 50: 0.1, 74: 0.1, 75: 0.01, 99: 0.01},
        ),
        (OptimizerConfig(schedule="ramps", warmup=0.5, rampdown=0.2), {0: 0.006738, 50: 1.0, 80: 1.0, 100: 3.727e-6}),
        (OptimizerConfig(schedule="constant", warmup=0.1), {0: 0.1, 4: 0.5, 9: 1.0, 50: 1.0}),
        (OptimizerConfig(warmup=0.2), {0: 0.05, 19: 0.96610, 20: 0.96246, 100: 0.19509}),  # the cosine runs from 0 on
        (OptimizerConfig(warmup=0.2, warmup_form="before"), {0: 0.0, 10: 0.5, 20: 1.0, 60: 0.77301, 100: 0.19509}),
        (
            OptimizerConfig(schedule="cosine", warmup=0.2, warmup_form="before"),
            {0: 0.0, 10: 0.5, 20: 1.0, 60: 0.5, 100: 0.0},
        ),
        (
            OptimizerConfig(schedule="cosine", cosine_length=1.2, warmup=0.2, warmup_form="before"),
            {20: 1.0, 70: 0.5, 100: 0.095492},
        ),
        (
            OptimizerConfig(schedule="step", step_at=(0.5,), step_factor=0.1, warmup=0.2, warmup_form="before"),
            {0: 0.0, 5: 0.25, 20: 1.0, 49: 1.0, 50: 0.1},
        ),
        (OptimizerConfig(schedule="constant", warmup=0.1, warmup_form="before"), {0: 0.0, 5: 0.5, 10: 1.0, 100: 1.0}),
    ],
)
def test_the_learning_rate_follows_its_formula(cfg: OptimizerConfig, expected: dict[int, float]) -> None:
    for step, factor in expected.items():
        assert lr_factor(step, 100, cfg) == pytest.approx(factor, rel=1e-3)


def test_the_momentum_follows_the_ramp_down() -> None:
    cfg = OptimizerConfig(name="adam", schedule="ramps", rampdown=0.2, momentum=0.9, momentum_end=0.5)
    assert momentum_at(0, 100, cfg) == pytest.approx(0.9)
    assert momentum_at(100, 100, cfg) == pytest.approx(0.5, abs=1e-5)
    optimizer = build_optimizer(nn.Linear(8, 3), cfg)
    set_schedule(optimizer, 100, 100, cfg)
    assert optimizer.param_groups[0]["betas"] == pytest.approx((0.5, 0.999), abs=1e-5)
