"""Rows of features compared with each other: the contrastive loss, and what tells whether an encoder collapses.

All in float32 or better, whatever the precision of the networks is, and without waiting for the device.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tutelage.core.precision import at_least_float32

_TINY = 1e-12


def info_nce(query: Tensor, key: Tensor, negatives: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Scalar loss, and the share of queries that are nearer to their key than to every negative (arXiv:1911.05722).

    The loss is the mean over rows of -log softmax over (its key, all negatives) at its key, of similarities divided by
    `temperature`. The gradient goes into the queries alone.

    Args:
        query, key: (B, D) of unit length; row i belongs to row i.
        negatives: (K, D) of unit length.
    """
    with torch.autocast(query.device.type, enabled=False):
        query = query / temperature  # not the (B, K) similarities, of which each pass over them counts
        positive = (query * key.detach()).sum(1)
        similar = query @ negatives.detach().T  # (B, K)
        loss = (torch.logaddexp(positive, similar.logsumexp(1)) - positive).mean()
        return loss, (similar.detach().amax(1) < positive.detach()).float().mean()


def alignment(query: Tensor, key: Tensor) -> Tensor:
    """Scalar in [0, 4]: mean squared distance of two views of an image, (B, D) of unit length (arXiv:2005.10242)."""
    return (query - key).square().sum(1).mean()


def uniformity(rows: Tensor) -> Tensor:
    """Scalar: log of the mean over pairs of different rows of exp(-2 |a - b|^2), for (B, D) of unit length.

    0 where all rows are equal; about -4 + 8 / D, but never below -4, where they are spread evenly (arXiv:2005.10242).
    """
    with torch.autocast(rows.device.type, enabled=False):
        squares = (2.0 - 2.0 * rows @ rows.T).clamp(min=0.0)
        kernel = (-2.0 * squares).exp()
        pairs = len(rows) * (len(rows) - 1)
        return ((kernel.sum() - kernel.diagonal().sum()) / pairs).log()


def effective_rank(features: Tensor) -> Tensor:
    """Scalar: in how many directions features (B, F) vary.

    That is (sum of eigenvalues)^2 / (sum of their squares), of the covariance: between 1, where all lie on a line or
    are equal, and min(B - 1, F); never NaN. It is the exponential of the eigenvalues' Renyi entropy of order 2, and
    takes no decomposition.
    """
    with torch.autocast(features.device.type, enabled=False):
        features = at_least_float32(features)
        centered = features - features.mean(0)
        centered = centered / centered.abs().amax().clamp(min=_TINY)
        products = centered @ centered.T if len(centered) < centered.shape[1] else centered.T @ centered
        return (products.diagonal().sum().square() / products.square().sum().clamp(min=_TINY)).clamp(min=1.0)


def feature_spread(features: Tensor) -> Tensor:
    """Scalar in [0, 1]: the standard deviation of the directions of features (B, F), sqrt(1 - |mean of unit rows|^2).

    0 where all rows point the same way: the network tells no image from another.
    """
    return (1.0 - F.normalize(at_least_float32(features), dim=1).mean(0).square().sum()).clamp(min=0.0).sqrt()
