"""Class means and their refinement, against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reference import class_means as formula
from tutelage.core.class_means import mean_probs, refined_means

K, D = 3, 4


def rows(count: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return 2.0 * np.eye(K, D)[np.arange(count) % K] + draw.standard_normal((count, D))


@pytest.mark.parametrize("rounds", [0, 1, 4])
@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_means_are_those_of_the_formula(rounds: int, temperature: float) -> None:
    labeled, label, unlabeled = rows(5, 0), [0, 1, 2, 0, 1], rows(20, 1)
    expected = formula.means(labeled, label, unlabeled, K, temperature, rounds)
    found = refined_means(
        torch.from_numpy(labeled),
        torch.tensor(label),
        torch.from_numpy(unlabeled),
        K,
        temperature=temperature,
        rounds=rounds,
    )
    np.testing.assert_allclose(found.numpy(), np.stack(expected), atol=1e-9)
    probs = mean_probs(torch.from_numpy(unlabeled), found, temperature=temperature)
    np.testing.assert_allclose(
        probs.numpy(), [formula.assigned(row, expected, temperature) for row in unlabeled], atol=1e-9
    )


def test_a_class_without_labels_is_never_assigned() -> None:
    labeled, unlabeled = torch.from_numpy(rows(4, 0)), torch.from_numpy(rows(12, 1))
    means = refined_means(labeled, torch.tensor([0, 2, 2, 0]), unlabeled, K, temperature=0.5, rounds=3)
    assert not means[1].any() and means[0].any() and means[2].any()
    probs = mean_probs(unlabeled, means, temperature=0.5)
    assert not probs[:, 1].any()
    torch.testing.assert_close(probs.sum(1), torch.ones(12, dtype=torch.float64))


def test_refined_means_tell_more_images_apart_than_those_of_a_single_label() -> None:
    label = torch.arange(300) % K
    features = torch.from_numpy(rows(300, 2))
    right = {}
    for rounds in (0, 10):
        means = refined_means(features[:K], label[:K], features[K:], K, temperature=0.1, rounds=rounds)
        right[rounds] = float((mean_probs(features, means, temperature=0.1).argmax(1) == label).double().mean())
    assert right[10] > right[0] + 0.02


def test_without_unlabeled_rows_the_means_stay_as_they_are() -> None:
    labeled, label, none = torch.from_numpy(rows(6, 0)), torch.arange(6) % K, torch.zeros(0, D, dtype=torch.float64)
    first, later = (refined_means(labeled, label, none, K, temperature=0.1, rounds=r) for r in (0, 5))
    torch.testing.assert_close(first, later)
