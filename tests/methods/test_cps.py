"""The loss of cross pseudo supervision and its gradients against a naive float64 version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import segmentation as reference
from support.pointwise import build, compare, logits_of, sigmoid
from tutelage.core.errors import ConfigError
from tutelage.methods.cps import CPS


@pytest.mark.parametrize("step", [0, 9])
def test_cps_teaches_each_network_the_others_classes(step: int) -> None:
    method, batch = build(CPS, unlabeled_weight=2.0, rampup=0.8)
    x, u = batch.labeled, batch.unlabeled
    assert x is not None and u is not None and x.label is not None

    def naive(values: list[np.ndarray]) -> float:
        supervised = sum(
            reference.supervised(logits_of(x.views[0], *pair), x.label.numpy()) for pair in (values[:2], values[2:])
        )
        crossed = reference.cross_pseudo_supervision(
            *(logits_of(u.views[0], *pair) for pair in (values[:2], values[2:]))
        )
        return float(supervised + 2.0 * sigmoid(step, 8) * crossed)

    compare(method, batch, step, naive)


def test_the_two_networks_of_cps_start_from_different_weights() -> None:
    method, _ = build(CPS)
    assert not torch.equal(method.student.head.weight, method.second.head.weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unlabeled_weight": -1.0}, "method.unlabeled_weight must be at least 0"),
        ({"rampup": 2.0}, r"method.rampup must be in \[0, 1\]"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CPS.Config(**settings)
