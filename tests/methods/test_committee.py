"""Committee: the votes against those of heads written down one by one, and loss and gradient against loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reference import class_means, label_propagation
from support.soft_targets import (
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
from tutelage.core.feature_bank import FeatureBank
from tutelage.core.logistic import fit_logistic
from tutelage.core.soft_head import fit_soft_head
from tutelage.methods.committee import Committee

N, WIDTHS = 40, (5, 4)
STREAM = stream_of(N)


def features() -> torch.Tensor:
    """Of two backbones side by side, which disagree about some rows."""
    draw = torch.Generator().manual_seed(0)
    return torch.cat([clustered(N, width, 1.2, draw) for width in WIDTHS], 1)


def build(unlabeled: list[int] = STREAM, widths: tuple[int, ...] = WIDTHS, **settings: Any) -> Committee:
    torch.manual_seed(0)
    method = new_head(Committee, N, Committee.Config(**{"soft_steps": 20, **settings}))
    method.prepare(bank_of(features(), unlabeled, widths))
    return method


def heads(block: torch.Tensor, draw: torch.Generator) -> list[np.ndarray]:
    """(n, K) of each head on the features of one backbone; the first four rows are labeled."""
    known, label = torch.arange(4), torch.tensor(LABEL)
    weights = torch.tensor([2 / 3, 4 / 3, 4 / 3, 2 / 3])  # n / (K n_k)
    plain = fit_logistic(block[:4], label, K, l2=0.08, row_weights=weights)
    rows = torch.arange(4, len(block))
    soft = fit_soft_head(block, known, label, rows, K, steps=20, l2=0.08, generator=draw, row_weights=weights)
    linear = [(block @ weight.T + bias).softmax(1).double().numpy() for weight, bias in (plain, soft)]
    array = block.double().numpy()
    graph = label_propagation.graph(array, 10, 3.0)
    spread = label_propagation.spread(graph, LABELED, LABEL, K, 0.99, False)
    means = class_means.means(array[:4], LABEL, array[4:], K, 0.1, 10)
    near = np.array([class_means.assigned(row, means, 0.1) for row in array])
    return [linear[0], spread, linear[1], near]


def soft_labels(seed: int, one_hot: bool = True) -> np.ndarray:
    """(N, K): q of the rows of both streams, and uniform elsewhere."""
    draw, votes = torch.Generator().manual_seed(seed), []
    for block in features()[STREAM].split(list(WIDTHS), dim=1):
        votes += heads(block, draw)
    q = np.full((N, K), 1 / K)
    q[STREAM] = np.mean([np.eye(K)[vote.argmax(1)] if one_hot else vote for vote in votes], axis=0)
    q[LABELED] = np.eye(K)[LABEL]
    return q


@pytest.mark.parametrize("votes", ["one-hot", "soft"])
def test_targets_are_the_mean_of_the_votes_of_all_heads_on_all_backbones(votes: str) -> None:
    method = build(votes=votes)
    expected = soft_labels(method.seed, votes == "one-hot")
    np.testing.assert_allclose(method.soft.numpy(), expected, atol=1e-3)
    if votes == "one-hot":
        counted = 8 * method.soft[without_labeled(STREAM)]
        torch.testing.assert_close(counted, counted.round(), rtol=0, atol=1e-5)
        assert len(counted.unique()) > 4  # they do not agree on all


def test_what_is_one_backbone_or_two_makes_a_difference() -> None:
    one, two = build(widths=()), build()
    assert torch.equal(4 * one.soft[STREAM], (4 * one.soft[STREAM]).round())
    assert not torch.equal(one.soft, two.soft)


def test_loss_and_gradient_are_those_of_the_formula() -> None:
    method = build()
    check_loss_and_gradient(method, soft_labels(method.seed))


def test_labels_are_learned_beside_an_unlabeled_stream_that_has_none_of_them() -> None:
    rows = without_labeled(STREAM)
    method = build(rows)
    check_labels_are_learned_beside(method, soft_labels(method.seed), len(rows))


def test_where_all_images_are_labeled_the_labels_are_the_targets() -> None:
    torch.manual_seed(0)
    method = new_head(Committee, N, Committee.Config(soft_steps=2))
    rows, label = torch.arange(N), torch.arange(N) % K
    method.prepare(FeatureBank(features(), rows, label, rows, WIDTHS))
    assert torch.equal(method.soft.argmax(1), label) and bool((method.soft.amax(1) == 1.0).all())


def test_the_votes_follow_from_the_seed_and_are_no_part_of_a_checkpoint() -> None:
    first, second = build(), build()
    assert first.seed == second.seed
    check_soft_labels_follow_and_are_not_saved(first, second)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"method\.soft_steps must be at least 1, got 0"):
        Committee.Config(soft_steps=0)
