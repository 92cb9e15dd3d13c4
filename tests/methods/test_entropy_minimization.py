"""Entropy minimization's loss and gradient against a naive float64 version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import segmentation as reference
from support.pointwise import build, compare, logits_of, sigmoid
from tutelage.core.errors import ConfigError
from tutelage.methods.entropy_minimization import EntropyMinimization


@pytest.mark.parametrize("step", [0, 9])
def test_entropy_minimization_counts_the_entropy_of_both_streams(step: int) -> None:
    method, batch = build(EntropyMinimization, entropy_weight=5.0, rampup=0.8)
    x, u = batch.labeled, batch.unlabeled
    assert x is not None and u is not None and x.label is not None

    def naive(values: list[np.ndarray]) -> float:
        supervised = reference.supervised(logits_of(x.views[0], *values), x.label.numpy())
        all_rows = logits_of(torch.cat([x.views[0], u.views[0]]), *values)
        return float(supervised + 5.0 * sigmoid(step, 8) * reference.entropy(all_rows))

    compare(method, batch, step, naive)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"entropy_weight": -1.0}, "method.entropy_weight must be at least 0"),
        ({"rampup": 2.0}, r"method.rampup must be in \[0, 1\]"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EntropyMinimization.Config(**settings)
