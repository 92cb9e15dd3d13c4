"""Each loss and its gradient against the naive loops of `reference/losses.py`."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from reference import losses as reference
from tutelage.core.losses import logit_distance, logit_mse, softmax_kl, softmax_mse

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "softmax_mse": softmax_mse,
    "softmax_kl": softmax_kl,
    "logit_mse": logit_mse,
    "logit_distance": logit_distance,
}


def pair(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    first, second = 2 * torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return first.requires_grad_(), second.clone().requires_grad_()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 2, 2), (1, 2)])
def test_values_and_gradients_are_those_of_the_formula(name: str, shape: tuple[int, ...]) -> None:
    first, second = pair(shape)
    value = LOSSES[name](first, second)
    expected = reference.at_each_place(getattr(reference, name), first.detach().numpy(), second.detach().numpy())
    assert value.shape == (shape[0], *shape[2:])
    np.testing.assert_allclose(value.detach().numpy(), expected, rtol=1e-10)

    value.sum().backward()

    def total(logits: np.ndarray) -> float:
        return reference.at_each_place(getattr(reference, name), logits, second.detach().numpy()).sum()

    assert first.grad is not None
    np.testing.assert_allclose(
        first.grad.numpy(), reference.gradient(total, first.detach().numpy()), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("name", ["softmax_mse", "softmax_kl", "logit_mse"])
def test_the_teacher_gets_no_gradient(name: str) -> None:
    student, teacher = pair((4, 3))
    LOSSES[name](student, teacher).sum().backward()
    assert teacher.grad is None


def test_the_logit_distance_pulls_both_sides_together() -> None:
    first, second = pair((4, 3))
    logit_distance(first, second).sum().backward()
    torch.testing.assert_close(first.grad, -second.grad)  # type: ignore[operator]


def test_a_small_example_by_hand() -> None:
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[math.log(3), 0.0]])  # (1/2, 1/2) and (3/4, 1/4)
    assert softmax_mse(student, teacher).item() == pytest.approx(1 / 16)
    assert softmax_kl(student, teacher).item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert logit_distance(student, teacher).item() == pytest.approx(math.log(3) ** 2 / 2)


@pytest.mark.parametrize("name", LOSSES)
def test_equal_logits_cost_nothing(name: str) -> None:
    first, _ = pair((4, 3))
    torch.testing.assert_close(LOSSES[name](first, first.detach()), torch.zeros(4, dtype=torch.float64))


@pytest.mark.parametrize("name", ["softmax_mse", "softmax_kl"])
def test_the_softmax_comes_first_so_that_a_shift_of_all_logits_costs_nothing(name: str) -> None:
    student, teacher = pair((4, 3))
    torch.testing.assert_close(LOSSES[name](student + 7, teacher), LOSSES[name](student, teacher))


def test_softmax_mse_spends_no_gradient_where_both_networks_are_sure() -> None:
    sure, teacher = torch.tensor([[30.0, 0.0]], requires_grad=True), torch.tensor([[20.0, 0.0]])
    softmax_mse(sure, teacher).sum().backward()
    assert sure.grad is not None
    assert sure.grad.abs().max() < 1e-8


def test_logit_mse_pulls_on_what_changes_no_class() -> None:
    student, _ = pair((4, 3))
    logit_mse(student + 7, student).sum().backward()
    assert student.grad is not None
    torch.testing.assert_close(student.grad, torch.full((4, 3), 2 * 7 / 3, dtype=torch.float64))


@pytest.mark.parametrize("name", ["softmax_mse", "softmax_kl"])
def test_extreme_logits_stay_finite_in_value_and_gradient(name: str) -> None:
    student = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    value = LOSSES[name](student, torch.tensor([[-1e4, 1e4, 0.0]]))
    value.sum().backward()
    assert value.isfinite().all()
    assert student.grad is not None
    assert student.grad.isfinite().all()
