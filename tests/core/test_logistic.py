"""Logistic regression, solved exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from tutelage.core.logistic import fit_logistic

K, N, D = 3, 40, 6


def problem(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    features, label = torch.randn(N, D, generator=draw), torch.randint(K, (N,), generator=draw)
    features[:, 0] += label
    return features.to(dtype), label


def theirs(features: Tensor, label: Tensor, l2: float, weights: Tensor | None = None) -> np.ndarray:
    """The probabilities of scikit-learn's solution of the same problem; its C multiplies the sum of the losses."""
    total = len(label) if weights is None else float(weights.sum())
    model = LogisticRegression(C=1 / (l2 * total), tol=1e-10, max_iter=5000)
    return model.fit(features.numpy(), label.numpy(), sample_weight=weights).predict_proba(features.numpy())


@pytest.mark.parametrize("l2", [1e-3, 0.05, 1.0])
def test_its_probabilities_are_those_of_scikit_learn(l2: float) -> None:
    features, label = problem()
    weight, bias = fit_logistic(features, label, K, l2=l2)
    assert (weight.shape, bias.shape, weight.dtype) == ((K, D), (K,), torch.float32)
    probs = (features @ weight.T + bias).softmax(1).numpy()
    np.testing.assert_allclose(probs, theirs(features, label, l2), atol=1e-3)


def test_rows_count_as_they_are_weighted() -> None:
    features, label = problem()
    weights = torch.rand(N, generator=torch.Generator().manual_seed(1))
    weights[::5] = 0.0
    weight, bias = fit_logistic(features, label, K, l2=0.05, row_weights=weights)
    probs = (features @ weight.T + bias).softmax(1).numpy()
    np.testing.assert_allclose(probs, theirs(features, label, 0.05, weights), atol=1e-3)
    scaled = fit_logistic(features, label, K, l2=0.05, row_weights=7.0 * weights)  # it is a mean
    torch.testing.assert_close(scaled[0], weight, rtol=1e-4, atol=1e-5)
    plain = fit_logistic(features, label, K, l2=0.05)
    assert not torch.allclose(plain[0], weight, atol=1e-2)


def test_a_class_without_labels_is_next_to_impossible_and_all_is_finite() -> None:
    features, label = problem()
    label = label.clamp_max(1)
    weight, bias = fit_logistic(features, label, K, l2=0.05)
    probs = (features @ weight.T + bias).softmax(1)
    assert torch.isfinite(weight).all() and torch.isfinite(bias).all()
    assert float(probs[:, 2].max()) < 1e-3
    weight, bias = fit_logistic(features, label, 2, l2=0.05)
    torch.testing.assert_close(probs[:, :2], (features @ weight.T + bias).softmax(1), rtol=0, atol=1e-2)


def test_labels_of_one_class_and_of_one_row_are_no_obstacle() -> None:
    features, label = problem()
    for count in (1, 5):
        weight, bias = fit_logistic(features[:count], torch.zeros_like(label[:count]), K, l2=0.05)
        assert ((features[:count] @ weight.T + bias).argmax(1) == 0).all()


def test_it_is_solved_the_same_each_time_where_gradients_are_off_and_leaves_its_inputs_alone() -> None:
    features, label = problem(torch.float64)
    before = features.clone()
    first = fit_logistic(features, label, K, l2=0.05)
    with torch.no_grad():
        second = fit_logistic(features, label, K, l2=0.05)
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not first[0].requires_grad and first[0].dtype == torch.float64
    assert torch.equal(features, before)
