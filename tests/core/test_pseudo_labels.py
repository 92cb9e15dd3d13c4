"""Sharpening and distribution alignment against the formulas."""

import math

import numpy as np
import pytest
import torch

from reference import mixmatch, remixmatch
from tutelage.core.targets import align, sharpen

PROBS = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [0.05, 0.9, 0.05]], dtype=torch.float64)


@pytest.mark.parametrize("temperature", [0.1, 0.4, 0.5, 1.0, 3.0])
def test_sharpening_is_that_of_the_formula(temperature: float) -> None:
    expected = [mixmatch.sharpen(row, temperature) for row in PROBS.tolist()]
    np.testing.assert_allclose(sharpen(PROBS, temperature).numpy(), expected, rtol=1e-12)


def test_a_cold_temperature_and_a_probability_of_zero_leave_finite_targets() -> None:
    probs = torch.tensor([[0.01, 0.011] + [0.979 / 98] * 98, [1.0, 0.0] + [0.0] * 98])
    target = sharpen(probs, 0.005)  # 0.011^200 underflows
    np.testing.assert_allclose(target.sum(1).numpy(), 1.0, rtol=1e-5)
    assert int(target[0].argmax()) == 1 and target[1, 0] == 1.0


def test_alignment_is_that_of_the_formula() -> None:
    target, recent = [0.5, 0.25, 0.25], [[0.2, 0.2, 0.6], [0.1, 0.3, 0.6]]
    expected = [remixmatch.align(row, target, recent) for row in PROBS.tolist()]
    running = torch.tensor(recent, dtype=torch.float64).mean(0)
    aligned = align(PROBS, torch.tensor(target, dtype=torch.float64), running)
    np.testing.assert_allclose(aligned.numpy(), expected, rtol=1e-12)


def test_alignment_raises_what_is_predicted_too_rarely_and_changes_nothing_where_frequencies_agree() -> None:
    even = torch.full((3,), 1 / 3, dtype=torch.float64)
    np.testing.assert_allclose(align(PROBS, even, even).numpy(), PROBS.numpy(), rtol=1e-12)
    rare_first = align(PROBS, even, torch.tensor([0.1, 0.45, 0.45], dtype=torch.float64))
    assert bool((rare_first[:, 0] > PROBS[:, 0]).all())


def test_alignment_with_a_class_that_is_never_predicted_stays_finite() -> None:
    aligned = align(PROBS, torch.tensor([0.5, 0.5, 0.0]).double(), torch.tensor([1.0, 0.0, 0.0]).double())
    assert all(math.isclose(total, 1.0) for total in aligned.sum(1).tolist())
