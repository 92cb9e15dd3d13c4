"""The soft head, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reference import soft_head as formula
from tutelage.core.logistic import fit_logistic
from tutelage.core.soft_head import fit_soft_head

N, D, K = 60, 5, 3
LABELED, LABEL = torch.tensor([0, 1, 2, 4]), torch.tensor([0, 1, 2, 1])


def features() -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    centers = 2.0 * torch.randn(K, D, generator=draw, dtype=torch.float64)
    return centers[torch.arange(N) % K] + torch.randn(N, D, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_steps_are_those_of_the_formula(weighted: bool) -> None:
    rows, unlabeled, steps, l2 = features(), torch.arange(5, N), 7, 0.05
    row_weights = torch.tensor([1.0, 0.5, 1.0, 0.5]) if weighted else None
    found = fit_soft_head(
        rows,
        LABELED,
        LABEL,
        unlabeled,
        K,
        steps=steps,
        l2=l2,
        generator=torch.Generator().manual_seed(3),
        row_weights=row_weights,
    )
    draw, draws = torch.Generator().manual_seed(3), []
    for _ in range(steps):
        drawn = unlabeled[torch.randint(len(unlabeled), (256,), generator=draw)]
        draws.append((rows[drawn].numpy(), (torch.rand(256, D, generator=draw) >= 0.5).numpy()))
    start = fit_logistic(rows[LABELED], LABEL, K, l2=l2, row_weights=row_weights)
    shares = np.full(4, 0.25) if row_weights is None else (row_weights / row_weights.sum()).double().numpy()
    expected = formula.fit(
        (start[0].numpy(), start[1].numpy()), rows[LABELED].numpy(), LABEL.numpy(), shares, draws, l2
    )
    for value, own in zip(found, expected, strict=True):
        np.testing.assert_allclose(value.numpy(), own, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found[0], start[0], atol=1e-3)


def test_it_learns_from_rows_without_labels_and_follows_from_the_generator() -> None:
    draw = torch.Generator().manual_seed(0)
    label = torch.arange(300) % 2
    far = 4.0 * torch.randn(2, 20, generator=draw) / 20**0.5
    rows = far[label] + torch.randn(300, 20, generator=draw)
    given = {"labeled": torch.tensor([0, 1]), "label": torch.tensor([0, 1]), "unlabeled": torch.arange(2, 300)}

    def fit(seed: int, steps: int = 150) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        weight, bias = fit_soft_head(rows, num_classes=2, steps=steps, l2=0.05, generator=generator, **given)
        assert not weight.requires_grad and not bias.requires_grad
        return rows @ weight.T + bias

    right = [float((fit(0, steps).argmax(1) == label).float().mean()) for steps in (1, 150)]
    assert right[1] > right[0] + 0.05
    assert torch.equal(fit(1), fit(1)) and not torch.equal(fit(1), fit(2))
