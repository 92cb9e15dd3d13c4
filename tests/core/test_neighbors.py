from __future__ import annotations

import numpy as np
import torch

from reference import probes as reference
from tutelage.core.neighbors import knn_scores


def test_votes_are_those_of_the_formula() -> None:
    draw = np.random.default_rng(0)
    queries, bank, label = draw.normal(size=(7, 5)), draw.normal(size=(30, 5)), draw.integers(0, 4, 30)
    expected = reference.knn_scores(queries, bank, label, 4, 9, 0.2)
    for block in (3, 512):
        scores = knn_scores(
            torch.tensor(queries), torch.tensor(bank), torch.tensor(label), 4, k=9, temperature=0.2, block=block
        )
        np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-4)


def test_a_bank_smaller_than_k_votes_as_a_whole() -> None:
    bank, label = torch.eye(3), torch.tensor([0, 1, 1])
    scores = knn_scores(torch.tensor([[1.0, 0.0, 0.0]]), bank, label, 2, temperature=1.0)
    torch.testing.assert_close(scores, torch.tensor([[np.e, 2.0]], dtype=torch.float32))


def test_the_length_of_features_does_not_matter() -> None:
    bank, label = torch.tensor([[100.0, 1.0], [0.0, 0.01]]), torch.tensor([0, 1])
    assert knn_scores(torch.tensor([[1.0, 30.0]]), bank, label, 2, k=1).argmax(1).tolist() == [1]
