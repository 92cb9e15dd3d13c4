"""The contrastive loss and the label-free figures against loops written from their definitions."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from reference import moco as reference
from tutelage.core import contrast
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


def naive(query: torch.Tensor, key: torch.Tensor, negatives: torch.Tensor, temperature: float) -> torch.Tensor:
    """The loss of each query, by cross-entropy on the logits of arXiv:1911.05722."""
    logits = torch.cat([(query * key).sum(1, keepdim=True), query @ negatives.T], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long), reduction="none")


@pytest.mark.parametrize("block", [1, 3, 7, 100])
@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0])
def test_in_blocks_of_any_size_loss_and_gradient_are_those_of_cross_entropy(
    block: int, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contrast, "_BLOCK_CPU", block)
    query, key, negatives = (unit(n, 4, seed) for seed, n in enumerate((5, 5, 7)))
    ours, other = query.clone().requires_grad_(), query.clone().requires_grad_()
    loss, _ = info_nce(ours, key, negatives, temperature)
    expected = naive(other, key, negatives, temperature).mean()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-12)
    (3 * loss).backward()
    (3 * expected).backward()
    torch.testing.assert_close(ours.grad, other.grad, rtol=1e-9, atol=1e-12)
    assert torch.autograd.gradcheck(lambda rows: info_nce(rows, key, negatives, temperature)[0], ours, atol=1e-4)
    with torch.no_grad():
        assert torch.equal(info_nce(query, key, negatives, temperature)[0], loss)


def test_with_a_long_queue_fp32_agrees_with_fp64() -> None:
    query, key, negatives = (unit(n, 128, seed) for seed, n in enumerate((16, 16, 20_000)))
    grads = []
    for kind in (torch.float32, torch.float64):
        rows = query.to(kind).requires_grad_()
        info_nce(rows, key.to(kind), negatives.to(kind), 0.07)[0].backward()
        assert rows.grad is not None
        grads.append(rows.grad.double())
    assert (grads[0] - grads[1]).abs().max() < 1e-6


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
