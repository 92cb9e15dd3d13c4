"""The contrastive loss, and measures of whether an encoder collapses.

All are computed in float32 or better, whatever the precision of the networks, and without waiting for the device.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from tutelage.core.precision import at_least_float32

_TINY = 1e-12
_BLOCK_CPU, _BLOCK = 2048, 65_536  # keys whose similarities are in memory at a time; in the cache of a CPU


class _InfoNCE(torch.autograd.Function):
    """-log softmax at the key, of queries (B, D) that are divided by the temperature, and its gradient, in one pass.

    The negatives (K, D) come in blocks, with a running maximum and sum as in arXiv:1805.02867: neither similarities nor
    probabilities (B, K) are ever stored. Nothing but the queries has a gradient, and it is a multiple of the one that
    is computed here.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) losses, and (B,) whether the key is closer than all negatives."""
        positive = (query * key).sum(1)
        top, total = positive, torch.ones_like(positive)  # the maximum, and the sum of exp(similarity - maximum)
        pulled = key.clone() if ctx.needs_input_grad[0] else None  # the sum of keys, weighted alike
        nearest = torch.full_like(positive, -torch.inf)
        for block in torch.split(negatives, _BLOCK_CPU if query.device.type == "cpu" else _BLOCK):
            similar = query @ block.T
            most = similar.amax(1)
            nearest = torch.maximum(nearest, most)
            higher = torch.maximum(top, most)
            similar.sub_(higher.unsqueeze(1)).exp_()
            shrunk = (top - higher).exp_()
            total = torch.addcmul(similar.sum(1), total, shrunk)
            if pulled is not None:
                pulled.mul_(shrunk.unsqueeze(1)).addmm_(similar, block)
            top = higher
        if pulled is not None:
            ctx.save_for_backward(pulled.div_(total.unsqueeze(1)).sub_(key))
        closer = nearest < positive
        ctx.mark_non_differentiable(closer)
        return top + total.log_() - positive, closer

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        (pull,) = ctx.saved_tensors
        return slope.unsqueeze(1) * pull, None, None


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
        loss, closer = _InfoNCE.apply(query, key.detach().to(query.dtype), negatives.detach().to(query.dtype))
        return loss.mean(), closer.float().mean()


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
