"""The contrastive loss and the label-free figures against loops written from their definitions."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from reference import moco as reference
from tutelage.core.contrast import alignment, effective_rank, feature_spread, info_nce, uniformity


def unit(rows: int, size: int, seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, size, generator=draw, dtype=torch.float64), dim=1)


def test_the_loss_is_the_papers_and_its_gradient_goes_into_the_queries_alone() -> None:
    query, key, negatives = (unit(n, 4, seed).requires_grad_() for seed, n in enumerate((3, 3, 7)))
    loss, _ = info_nce(query, key, negatives, 0.2)
    expected = reference.loss(*(rows.detach().numpy() for rows in (query, key, negatives)), 0.2)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-12)
    loss.backward()
    assert query.grad is not None and key.grad is None and negatives.grad is None


def test_a_positive_counts_as_found_where_no_negative_is_nearer() -> None:
    query = torch.eye(3)
    assert float(info_nce(query, query, -query, 0.1)[1]) == 1.0
    assert float(info_nce(query, -query, query, 0.1)[1]) == 0.0
    assert float(info_nce(query, query, query[:1], 0.1)[1]) == pytest.approx(2 / 3)  # the first has an equal


def test_in_bf16_similarities_are_summed_in_fp32() -> None:
    query, key, negatives = (unit(n, 64, seed).float() for seed, n in enumerate((3, 3, 50)))
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = info_nce(query, key, negatives, 0.07)
    assert torch.equal(loss, info_nce(query, key, negatives, 0.07)[0])


def test_uniformity_and_alignment_are_those_of_the_definitions() -> None:
    rows = unit(6, 3, 0)
    assert float(uniformity(rows)) == pytest.approx(reference.uniformity(rows.numpy()), rel=1e-12)
    assert float(uniformity(torch.ones(4, 1))) == 0.0
    assert float(alignment(rows, rows)) == 0.0 and float(alignment(rows, -rows)) == pytest.approx(4.0)


@pytest.mark.parametrize(("rows", "size"), [(40, 5), (5, 40)])
def test_the_effective_rank_is_that_of_the_eigenvalues(rows: int, size: int) -> None:
    features = torch.randn(rows, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    features = features * torch.linspace(0.1, 3.0, size, dtype=torch.float64)
    assert float(effective_rank(features)) == pytest.approx(reference.effective_rank(features.numpy()), rel=1e-4)


def test_collapsed_features_have_rank_one_and_no_spread_and_never_nan() -> None:
    line = torch.linspace(1.0, 2.0, 10)[:, None] * torch.ones(1, 6)
    assert float(effective_rank(line)) == pytest.approx(1.0, abs=1e-4)
    assert float(feature_spread(line)) == pytest.approx(0.0, abs=1e-3)
    for constant in (torch.zeros(4, 3), torch.full((4, 3), 7.0)):
        assert float(effective_rank(constant)) == 1.0 and math.isfinite(float(feature_spread(constant)))
    assert float(feature_spread(torch.cat([torch.eye(4), -torch.eye(4)]))) == 1.0
    assert float(effective_rank(torch.cat([torch.eye(4), -torch.eye(4)]))) == pytest.approx(4.0)
