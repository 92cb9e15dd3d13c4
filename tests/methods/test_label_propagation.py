"""Label propagation: loss and gradient against a naive version with dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import label_propagation as formula
from support.soft_targets import (
    HELD_OUT,
    LABEL,
    LABELED,
    K,
    bank_of,
    check_labels_are_learned_beside,
    check_loss_and_gradient,
    check_soft_labels_follow_and_are_not_saved,
    clustered,
    new_head,
    stream_of,
    without_labeled,
)
from tutelage.core.errors import ConfigError
from tutelage.methods.label_propagation import LabelPropagation

N, D = 24, 5
STREAM = stream_of(N)


def features() -> torch.Tensor:
    return clustered(N, D, 2.0, torch.Generator().manual_seed(0))


def build(unlabeled: list[int] = STREAM, **settings: Any) -> LabelPropagation:
    method = new_head(LabelPropagation, N, LabelPropagation.Config(**settings))
    method.prepare(bank_of(features(), unlabeled))
    return method


def soft_labels(
    rows: list[int], k: int = 10, alpha: float = 0.99, gamma: float = 3.0, mass: bool = False
) -> np.ndarray:
    """(N, K): q of the rows of both streams, and uniform elsewhere."""
    graph = formula.graph(features().double().numpy()[rows], k, gamma)
    places = [rows.index(row) for row in LABELED]
    q = np.full((N, K), 1 / K)
    q[rows] = formula.spread(graph, places, LABEL, K, alpha, mass)
    return q


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        ({}, {}),
        ({"neighbors": 4, "alpha": 0.7, "gamma": 1.0}, {"k": 4, "alpha": 0.7, "gamma": 1.0}),
        ({"neighbors": 6, "class_mass": "uniform"}, {"k": 6, "mass": True}),
    ],
)
def test_loss_and_gradient_are_those_of_the_formula(settings: dict[str, Any], own: dict[str, Any]) -> None:
    check_loss_and_gradient(build(**settings), soft_labels(STREAM, **own))


def test_rows_that_are_held_out_take_no_part() -> None:
    soft = build().soft
    np.testing.assert_allclose(soft.numpy(), soft_labels(STREAM), atol=1e-4)
    assert torch.equal(soft[HELD_OUT], torch.full((2, K), 1 / K))
    whole = build(list(range(N))).soft
    assert not torch.allclose(whole[STREAM], soft[STREAM], atol=1e-3)


def test_labeled_rows_take_part_where_the_unlabeled_stream_has_none_of_them() -> None:
    rows = without_labeled(STREAM)
    np.testing.assert_allclose(build(rows).soft.numpy(), soft_labels(STREAM), atol=1e-4)


def test_labels_are_learned_beside_an_unlabeled_stream_that_has_none_of_them() -> None:
    rows = without_labeled(STREAM)
    check_labels_are_learned_beside(build(rows), soft_labels(STREAM), len(rows))


def test_the_soft_labels_are_no_part_of_a_checkpoint_since_they_follow_from_the_features() -> None:
    check_soft_labels_follow_and_are_not_saved(build(), build())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"neighbors": 0}, "method.neighbors must be at least 1, got 0"),
        ({"alpha": 1.0}, r"method.alpha must be in \(0, 1\), got 1.0"),
        ({"alpha": 0.0}, r"method.alpha must be in \(0, 1\), got 0.0"),
        ({"gamma": 0.0}, "method.gamma must be above 0, got 0.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LabelPropagation.Config(**settings)
