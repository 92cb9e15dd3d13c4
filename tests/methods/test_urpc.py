"""URPC's loss and gradient against a naive float64 version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reference import segmentation as reference
from support.pointwise import build, compare, logits_of, sigmoid
from tutelage.core.errors import ConfigError
from tutelage.methods.urpc import URPC


@pytest.mark.parametrize("step", [0, 9])
def test_urpc_asks_the_levels_to_agree(step: int) -> None:
    method, batch = build(URPC, deep_supervision=True, consistency_weight=5.0, rampup=0.8)
    x, u = batch.labeled, batch.unlabeled
    assert x is not None and u is not None and x.label is not None

    def naive(values: list[np.ndarray]) -> float:
        levels = (values[:2], values[2:])
        supervised = sum(reference.supervised(logits_of(x.views[0], *level), x.label.numpy()) for level in levels) / 2
        pyramid = reference.pyramid_consistency([logits_of(u.views[0], *level) for level in levels])
        return float(supervised + 5.0 * sigmoid(step, 8) * pyramid)

    compare(method, batch, step, naive)


def test_urpc_refuses_a_network_without_levels() -> None:
    with pytest.raises(ConfigError, match=r"set network\.deep_supervision"):
        build(URPC)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"consistency_weight": -1.0}, "method.consistency_weight must be at least 0"),
        ({"rampup": 2.0}, r"method.rampup must be in \[0, 1\]"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        URPC.Config(**settings)
