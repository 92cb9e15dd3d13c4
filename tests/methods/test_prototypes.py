"""Prototypes: loss and gradient against a naive version with loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import class_means as formula
from reference import probes
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
from tutelage.methods.prototypes import Prototypes

N, D = 24, 5
STREAM = stream_of(N)


def features() -> torch.Tensor:
    return clustered(N, D, 1.5, torch.Generator().manual_seed(0))


def build(unlabeled: list[int] = STREAM, **settings: Any) -> Prototypes:
    method = new_head(Prototypes, N, Prototypes.Config(**settings))
    method.prepare(bank_of(features(), unlabeled))
    return method


def soft_labels(temperature: float = 0.1, rounds: int = 10, share: float = 0.0, k: int = 5) -> np.ndarray:
    """(N, K): q of the rows of both streams, and uniform elsewhere."""
    rows = features().double().numpy()
    unlabeled = without_labeled(STREAM)
    means = formula.means(rows[LABELED], LABEL, rows[unlabeled], K, temperature, rounds)
    votes = probes.knn_scores(rows, rows[LABELED], np.array(LABEL), K, k, temperature)
    q = np.full((N, K), 1 / K)
    for row in unlabeled:
        q[row] = (1 - share) * np.array(formula.assigned(rows[row], means, temperature))
        q[row] += share * votes[row] / votes[row].sum()
    q[LABELED] = np.eye(K)[LABEL]
    return q


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        ({}, {}),
        ({"temperature": 0.4, "rounds": 2}, {"temperature": 0.4, "rounds": 2}),
        ({"rounds": 0, "neighbor_share": 0.3, "neighbors": 2}, {"rounds": 0, "share": 0.3, "k": 2}),
    ],
)
def test_loss_and_gradient_are_those_of_the_formula(settings: dict[str, Any], own: dict[str, Any]) -> None:
    check_loss_and_gradient(build(**settings), soft_labels(**own))


def test_rows_that_are_held_out_take_no_part_and_labels_stay_as_they_are() -> None:
    soft = build().soft
    np.testing.assert_allclose(soft.numpy(), soft_labels(), atol=1e-4)
    assert torch.equal(soft[HELD_OUT], torch.full((2, K), 1 / K))
    whole = build(list(range(N))).soft
    assert not torch.allclose(whole[STREAM], soft[STREAM], atol=1e-4)


def test_labels_are_learned_beside_an_unlabeled_stream_that_has_none_of_them() -> None:
    rows = without_labeled(STREAM)
    check_labels_are_learned_beside(build(rows), soft_labels(), len(rows))


def test_the_soft_labels_are_no_part_of_a_checkpoint_since_they_follow_from_the_features() -> None:
    check_soft_labels_follow_and_are_not_saved(build(), build())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.01}, "method.temperature must be at least 0.02, got 0.01"),
        ({"rounds": -1}, "method.rounds must be at least 0, got -1"),
        ({"neighbor_share": 1.1}, r"method.neighbor_share must be in \[0, 1\], got 1.1"),
        ({"neighbors": 0}, "method.neighbors must be at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Prototypes.Config(**settings)
