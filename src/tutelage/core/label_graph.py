"""Labels spread over a graph of nearest neighbors (Zhou et al. 2003)."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
import torch.nn.functional as F
from torch import Tensor

_BLOCK = 2048  # rows whose similarities are in memory at once
_TOLERANCE, _ITERATIONS = 1e-6, 100


def neighbor_graph(features: Tensor, *, k: int, gamma: float) -> scipy.sparse.csr_matrix:
    """S = D^-1/2 A D^-1/2 of the symmetric graph A of nearest neighbors, weighted by max(cosine, 0)^gamma.

    Args:
        features: (N, D); the similarities of all pairs are computed, 2 N^2 D operations.
        k: neighbors of each row, without itself.
    """
    unit, count = F.normalize(features.float(), dim=1), len(features)
    k = min(k, count - 1)
    columns, weights = [], []
    for start in range(0, count, _BLOCK):
        cosine = unit[start : start + _BLOCK] @ unit.T
        rows = torch.arange(len(cosine), device=cosine.device)
        cosine[rows, rows + start] = -2.0  # no row is its own neighbor
        nearest, place = cosine.topk(k, dim=1)
        columns.append(place.cpu())
        weights.append(nearest.clamp_min(0.0).pow(gamma).cpu())
    across = torch.cat(columns).numpy().ravel()
    down = np.repeat(np.arange(count), k)
    one_way = scipy.sparse.csr_matrix((torch.cat(weights).double().numpy().ravel(), (down, across)), (count, count))
    graph = one_way + one_way.T
    degree = np.asarray(graph.sum(1)).ravel()
    scale = scipy.sparse.diags(1.0 / np.sqrt(np.maximum(degree, 1e-12)))
    return (scale @ graph @ scale).tocsr()


def propagate(
    graph: scipy.sparse.csr_matrix,
    labeled: Tensor,
    label: Tensor,
    num_classes: int,
    *,
    alpha: float = 0.99,
    uniform_mass: bool = False,
) -> Tensor:
    """(N, K) float32, rows that sum to 1: the solution of (I - alpha S) Z = Y, normalized.

    Rows that no label reaches are uniform.

    Args:
        graph: S, from `neighbor_graph`.
        labeled: (n,) int64 rows of the graph, with classes `label` (n,).
        uniform_mass: divide each column by its sum first, as if all classes were equally frequent.
    """
    count = graph.shape[0]
    system = scipy.sparse.identity(count, format="csr") - alpha * graph
    spread = np.zeros((count, num_classes))
    for number in range(num_classes):
        seeds = np.zeros(count)
        seeds[labeled[label == number].numpy()] = 1.0
        if seeds.any():
            spread[:, number], _ = scipy.sparse.linalg.cg(system, seeds, rtol=_TOLERANCE, maxiter=_ITERATIONS)
    spread = np.maximum(spread, 0.0)
    if uniform_mass:
        spread /= np.maximum(spread.sum(0), 1e-12)
    total = spread.sum(1, keepdims=True)
    shares = np.where(total > 0.0, spread / np.maximum(total, 1e-300), 1.0 / num_classes)
    return torch.from_numpy(shares).float()
