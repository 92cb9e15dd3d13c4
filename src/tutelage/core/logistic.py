"""Logistic regression of features, solved exactly."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_ITERATIONS, _HISTORY, _TOLERANCE = 300, 20, 1e-6


def fit_logistic(
    features: Tensor, label: Tensor, num_classes: int, *, l2: float, row_weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The weight (K, D) and bias (K,) that minimize mean H(label, softmax(W f + b)) + l2 / 2 |W|^2, by L-BFGS.

    Args:
        features: (n, D).
        label: (n,) int64 in 0..K-1.
        l2: weight of the penalty, at least 0; the bias has none.
        row_weights: (n,) of the terms of the mean, not all zero; None weighs all alike.
    """
    x, shares = features.double(), torch.ones(len(label), dtype=torch.float64, device=features.device)
    shares = shares if row_weights is None else row_weights.double()
    shares = shares / shares.sum()
    weight = torch.zeros(num_classes, x.shape[1], dtype=torch.float64, device=x.device, requires_grad=True)
    bias = torch.zeros(num_classes, dtype=torch.float64, device=x.device, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight, bias],
        max_iter=_ITERATIONS,
        history_size=_HISTORY,
        tolerance_grad=_TOLERANCE,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        solver.zero_grad()
        loss = (F.cross_entropy(x @ weight.T + bias, label, reduction="none") * shares).sum()
        loss = loss + 0.5 * l2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        solver.step(objective)  # type: ignore[no-untyped-call]
    return weight.detach().to(features.dtype), bias.detach().to(features.dtype)
