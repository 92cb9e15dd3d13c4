"""The weighted nearest-neighbor classifier of Wu et al. 2018 (arXiv:1805.01978), as in MoCo's CIFAR demo."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

K, TEMPERATURE = 200, 0.1


@torch.no_grad()
def knn_scores(
    queries: Tensor,
    bank: Tensor,
    label: Tensor,
    num_classes: int,
    *,
    k: int = K,
    temperature: float = TEMPERATURE,
    block: int = 512,
) -> Tensor:
    """A score per class: the sum of exp(cosine / temperature) over those of the k nearest neighbors in that class.

    Args:
        queries: (Q, F) features.
        bank: (N, F) features of labeled images, on the same device.
        label: (N,) int64, their classes.
        k: number of neighbors, or N if that is smaller.
        block: queries at a time; (block, N) similarities are in memory at once.

    Returns:
        (Q, num_classes) float32.
    """
    bank, near = F.normalize(bank.float(), dim=1), min(k, len(bank))
    scores = queries.new_zeros(len(queries), num_classes, dtype=torch.float32)
    for start in range(0, len(queries), block):
        cosine = F.normalize(queries[start : start + block].float(), dim=1) @ bank.T
        nearest, rows = cosine.topk(near, dim=1)
        scores[start : start + block].scatter_add_(1, label[rows], (nearest / temperature).exp())
    return scores
