"""The gates of shake-shake."""

import torch

from tutelage.networks.shake_shake import ShiftedHalving, shake


def ones(rows: int) -> torch.Tensor:
    return torch.ones(rows, 3, 2, 2)


def test_each_row_mixes_both_branches_with_a_gate_of_its_own() -> None:
    torch.manual_seed(0)
    mixed = shake(10 * ones(1000), 20 * ones(1000), random=True)
    gates = (20 - mixed) / 10
    assert (gates == gates[:, :1, :1, :1]).all()  # one gate for all channels and pixels of a row
    of_rows = gates[:, 0, 0, 0]
    assert of_rows.min() >= 0
    assert of_rows.max() < 1
    assert of_rows.unique().numel() > 950
    assert abs(of_rows.mean() - 0.5) < 0.05
    assert abs(of_rows.std() - 12**-0.5) < 0.02


def test_the_gradient_has_gates_independent_of_the_forward_ones_that_sum_to_one() -> None:
    torch.manual_seed(0)
    first, second = (10 * ones(2000)).requires_grad_(), (20 * ones(2000)).requires_grad_()
    mixed = shake(first, second, random=True)
    mixed.sum().backward()
    assert first.grad is not None
    assert second.grad is not None
    torch.testing.assert_close(first.grad + second.grad, ones(2000))
    forward_gates, backward_gates = (20 - mixed.detach())[:, 0, 0, 0] / 10, first.grad[:, 0, 0, 0]
    correlation = torch.corrcoef(torch.stack([forward_gates, backward_gates]))[0, 1]
    assert abs(correlation) < 0.08
    assert backward_gates.std() > 0.25


def test_without_randomness_both_branches_count_by_half() -> None:
    first, second = ones(4).requires_grad_(), (3 * ones(4)).requires_grad_()
    mixed = shake(first, second, random=False)
    mixed.sum().backward()
    torch.testing.assert_close(mixed, 2 * ones(4))
    torch.testing.assert_close(first.grad, 0.5 * ones(4))


def test_the_halving_shortcut_sees_even_pixels_and_those_one_down_and_right() -> None:
    halving = ShiftedHalving(1, 2, 0.1).eval()
    torch.nn.init.ones_(halving.conv.weight)
    torch.nn.init.zeros_(halving.conv.bias)
    out = halving(torch.arange(16.0).view(1, 1, 4, 4)) * (1 + 1e-5) ** 0.5
    torch.testing.assert_close(out[0, 0], torch.tensor([[0.0, 2.0], [8.0, 10.0]]))
    torch.testing.assert_close(out[0, 1], torch.tensor([[5.0, 7.0], [13.0, 15.0]]))
