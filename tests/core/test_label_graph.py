"""Labels spread over a graph of nearest neighbors, against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from reference import label_propagation as formula
from tutelage.core import label_graph
from tutelage.core.label_graph import neighbor_graph, propagate

N, D, K = 40, 5, 3


def features() -> Tensor:
    draw = torch.Generator().manual_seed(0)
    centers = 2.0 * torch.randn(K, D, generator=draw)
    return centers[torch.arange(N) % K] + torch.randn(N, D, generator=draw)


@pytest.mark.parametrize(("k", "gamma"), [(4, 3.0), (10, 1.0), (100, 2.0)])
def test_the_graph_is_that_of_the_formula(k: int, gamma: float) -> None:
    graph = neighbor_graph(features(), k=k, gamma=gamma).toarray()
    np.testing.assert_allclose(graph, formula.graph(features().double().numpy(), min(k, N - 1), gamma), atol=1e-5)
    assert not graph.diagonal().any()
    np.testing.assert_allclose(graph, graph.T)


def test_the_graph_does_not_depend_on_how_many_rows_are_in_memory_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = neighbor_graph(features(), k=4, gamma=3.0).toarray()
    monkeypatch.setattr(label_graph, "_BLOCK", 7)
    np.testing.assert_allclose(neighbor_graph(features(), k=4, gamma=3.0).toarray(), whole, atol=1e-6)


LABELED, LABEL = [0, 1, 2, 3, 6], [0, 1, 2, 0, 0]


@pytest.mark.parametrize("alpha", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("uniform_mass", [False, True])
def test_the_labels_that_spread_are_the_solution_of_the_equation(alpha: float, uniform_mass: bool) -> None:
    graph = neighbor_graph(features(), k=6, gamma=3.0)
    found = propagate(
        graph, torch.tensor(LABELED), torch.tensor(LABEL), K, alpha=alpha, uniform_mass=uniform_mass
    ).numpy()
    expected = formula.spread(graph.toarray(), LABELED, LABEL, K, alpha, uniform_mass)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(found.sum(1), 1.0, rtol=1e-6)


def test_uniform_mass_takes_from_the_class_of_many_labels() -> None:
    graph = neighbor_graph(features(), k=6, gamma=3.0)
    plain, uniform = (
        propagate(graph, torch.tensor(LABELED), torch.tensor(LABEL), K, uniform_mass=mass) for mass in (False, True)
    )
    assert float(uniform[:, 0].sum()) < float(plain[:, 0].sum()) - 0.5


def two_islands() -> Tensor:
    """Two groups at right angles, each with more rows than neighbors are asked for."""
    draw = torch.Generator().manual_seed(0)
    rows = 0.1 * torch.rand(20, 4, generator=draw)
    rows[:10, 2:] = 0.0
    rows[10:, :2] = 0.0
    rows[:10, 0] += 1.0
    rows[10:, 2] += 1.0
    return rows


@pytest.mark.parametrize("uniform_mass", [False, True])
def test_rows_that_no_label_reaches_are_uniform(uniform_mass: bool) -> None:
    graph = neighbor_graph(two_islands(), k=4, gamma=3.0)
    found = propagate(graph, torch.tensor([0]), torch.tensor([1]), K, uniform_mass=uniform_mass)
    assert torch.equal(found[10:], torch.full((10, K), 1 / K))
    assert torch.equal(found[:10], torch.tensor([[0.0, 1.0, 0.0]]).expand(10, -1))


def test_rows_without_any_similar_one_are_no_division_by_zero() -> None:
    rows = torch.cat([torch.eye(4), torch.zeros(2, 4)])
    graph = neighbor_graph(rows, k=2, gamma=3.0)
    assert np.isfinite(graph.toarray()).all()
    found = propagate(graph, torch.tensor([0]), torch.tensor([1]), K)
    assert torch.isfinite(found).all() and found[0].tolist() == [0.0, 1.0, 0.0]
    assert torch.equal(found[1:], torch.full((5, K), 1 / K))
