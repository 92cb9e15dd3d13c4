"""The contrastive loss, and measures of whether an encoder collapses.

All are computed in float32 or better, whatever the precision of the networks, and without waiting for the device.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tutelage.core.precision import at_least_float32

_TINY = 1e-12


def info_nce(query: Tensor, key: Tensor, negatives: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Scalar loss, and the share of queries that are closer to their key than to any negative (arXiv:1911.05722).

    The loss is the mean over rows of -log softmax over (its key, all negatives) at its key, of similarities divided by
    `temperature`. The gradient flows into the queries only.

    Args:
        query, key: (B, D), rows of unit length; row i of both is from the same image.
        negatives: (K, D), rows of unit length.
    """
    with torch.autocast(query.device.type, enabled=False):
        query = query / temperature  # cheaper than dividing the (B, K) similarities
        positive = (query * key.detach()).sum(1)
        similar = query @ negatives.detach().T  # (B, K)
        loss = (torch.logaddexp(positive, similar.logsumexp(1)) - positive).mean()
        return loss, (similar.detach().amax(1) < positive.detach()).float().mean()


def alignment(query: Tensor, key: Tensor) -> Tensor:
    """Scalar in [0, 4]: mean squared distance of two views of an image, (B, D) of unit length (arXiv:2005.10242)."""
    return (query - key).square().sum(1).mean()


def uniformity(rows: Tensor) -> Tensor:
    """Scalar: log of the mean of exp(-2 |a - b|^2) over pairs of different rows, for (B, D) of unit length.

    It is 0 if all rows are equal, and about -4 + 8 / D (never below -4) if they are spread evenly (arXiv:2005.10242).
    """
    with torch.autocast(rows.device.type, enabled=False):
        squares = (2.0 - 2.0 * rows @ rows.T).clamp(min=0.0)
        kernel = (-2.0 * squares).exp()
        pairs = len(rows) * (len(rows) - 1)
        return ((kernel.sum() - kernel.diagonal().sum()) / pairs).log()


def effective_rank(features: Tensor) -> Tensor:
    """Scalar: in how many directions features (B, F) vary.

    For the covariance matrix: (sum of eigenvalues)^2 / (sum of squared eigenvalues). It lies between 1, if all features
    are equal or on a line, and min(B - 1, F), and is never NaN. It is the exponential of the eigenvalues' Renyi entropy
    of order 2, and needs no eigendecomposition.
    """
    with torch.autocast(features.device.type, enabled=False):
        features = at_least_float32(features)
        centered = features - features.mean(0)
        centered = centered / centered.abs().amax().clamp(min=_TINY)
        products = centered @ centered.T if len(centered) < centered.shape[1] else centered.T @ centered
        return (products.diagonal().sum().square() / products.square().sum().clamp(min=_TINY)).clamp(min=1.0)


def feature_spread(features: Tensor) -> Tensor:
    """Scalar in [0, 1]: the standard deviation of the directions of features (B, F), sqrt(1 - |mean of unit rows|^2).

    It is 0 if all rows point the same way, so that the network cannot tell images apart.
    """
    return (1.0 - F.normalize(at_least_float32(features), dim=1).mean(0).square().sum()).clamp(min=0.0).sqrt()
