"""Class means of features, refined on those without labels (soft k-means)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.no_grad()
def refined_means(
    labeled: Tensor, label: Tensor, unlabeled: Tensor, num_classes: int, *, temperature: float, rounds: int
) -> Tensor:
    """(K, D): the mean direction of each class, of length 1; 0 for a class without labels.

    In each of `rounds`, an unlabeled row counts in the mean of each class by its probability of `mean_probs`.

    Args:
        labeled: (n, D) features, with classes `label` (n,) int64.
        unlabeled: (m, D) features.
    """
    x, u = F.normalize(labeled, dim=1), F.normalize(unlabeled, dim=1)
    sums = F.one_hot(label, num_classes).to(x.dtype).T @ x
    means = F.normalize(sums, dim=1)
    for _ in range(rounds):
        means = F.normalize(sums + mean_probs(u, means, temperature=temperature).T @ u, dim=1)
    return means


@torch.no_grad()
def mean_probs(features: Tensor, means: Tensor, *, temperature: float) -> Tensor:
    """(B, K) that sum to 1: softmax(cosine / temperature) of features (B, D) with `means` (K, D) of length 1 or 0.

    A class whose mean is 0 has probability 0; at least one mean must not be.
    """
    cosine = F.normalize(features, dim=1) @ means.T
    return (cosine / temperature).masked_fill(~means.any(1), -torch.inf).softmax(1)
