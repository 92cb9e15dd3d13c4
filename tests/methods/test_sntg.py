"""SNTG's cost by hand and against the naive loop; what it does in a method is tested with that method."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reference import consistency as reference
from tutelage.core.errors import ConfigError
from tutelage.core.losses import neighbor_cost
from tutelage.methods.sntg import sntg_loss
from tutelage.run.method_by_name import method_class


def rows(count: int) -> Tensor:
    return torch.randn(count, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()


def test_neighbors_pay_the_squared_distance_and_others_what_is_left_of_the_margin() -> None:
    first, second = torch.tensor([[0.0, 0.0], [0.0, 0.0], [9.0, 0.0]]), torch.tensor([[0.6, 0.8], [0.3, 0.4], [0, 0.0]])
    same, other = torch.tensor([True] * 3), torch.tensor([False] * 3)
    close = torch.testing.assert_close
    close(neighbor_cost(first, second, same, margin=1.0, distance="sum"), torch.tensor([1.0, 0.25, 81.0]))
    close(neighbor_cost(first, second, other, margin=1.0, distance="sum"), torch.tensor([0.0, 0.25, 0.0]))
    close(neighbor_cost(first, second, same, margin=1.0, distance="mean"), torch.tensor([0.5, 0.125, 40.5]))


@pytest.mark.parametrize("distance", ["mean", "sum"])
@pytest.mark.parametrize("count", [2, 5, 8])
def test_the_loss_is_that_of_the_naive_loop(distance: str, count: int) -> None:
    features = rows(count)
    label = torch.tensor([0, 1, 0, 0, -1, 1, 1, 0][:count])
    torch.manual_seed(3)
    order = torch.rand(count).argsort().tolist()
    torch.manual_seed(3)
    loss = sntg_loss(features, label[:1], label[1:], margin=2.0, distance=distance)  # type: ignore[arg-type]
    expected = reference.neighbor_loss(features.detach().numpy(), label.tolist(), order, 2.0, distance)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)  # a float32 sum


@pytest.mark.parametrize("neighbors", [True, False])
def test_equal_features_have_a_finite_gradient(neighbors: bool) -> None:
    first = torch.ones(3, 4, requires_grad=True)
    neighbor_cost(first, torch.ones(3, 4), torch.tensor([neighbors] * 3), margin=1.0, distance="mean").sum().backward()
    assert first.grad is not None
    assert first.grad.isfinite().all()


def test_the_gradient_reaches_both_rows_of_a_pair() -> None:
    features = rows(2)
    sntg_loss(features, None, torch.tensor([1, 1]), margin=1.0, distance="mean").backward()
    assert features.grad is not None
    assert (features.grad.abs().sum(1) > 0).all()
    torch.testing.assert_close(features.grad[0], -features.grad[1])


def test_a_row_of_unknown_label_costs_nothing() -> None:
    features = rows(2)
    assert (
        float(sntg_loss(features, torch.tensor([1]), torch.tensor([-1]), margin=9.0, distance="mean").detach()) == 0.0
    )
    assert float(sntg_loss(features, None, torch.tensor([-1, -1]), margin=9.0, distance="mean").detach()) == 0.0


def test_other_steps_pair_other_rows() -> None:
    features, label = rows(8), torch.zeros(8, dtype=torch.int64)

    def at(seed: int) -> float:
        torch.manual_seed(seed)
        return float(sntg_loss(features, None, label, margin=1.0, distance="mean").detach())

    assert at(0) == at(0)
    assert len({at(seed) for seed in range(5)}) == 5


def test_asking_for_sntg_as_a_method_says_how_to_have_it() -> None:
    with pytest.raises(ConfigError, match=r"addition to pi-model, .*method\.sntg_weight"):
        method_class("sntg")
