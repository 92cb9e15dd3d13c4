"""Losses that more than one method uses, as functions of logits; the class axis is 1.

`logits` are unnormalized, (B, K, *S). No gradient flows into targets unless a docstring says so.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


def softmax_mse(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """(B, *S): squared difference of the two softmaxes, averaged over classes.

    Mean Teacher's and Pi's consistency cost (arXiv:1703.01780, arXiv:1610.02242). On raw logits it
    would be another loss, whose gradient mostly comes from images that both networks are sure of; see `logit_mse`.
    """
    return target_mse(student_logits, teacher_logits.softmax(1))


def target_mse(logits: Tensor, target: Tensor) -> Tensor:
    """(B, *S): squared difference of the softmax of `logits` and `target`, both (B, K, *S), averaged over classes."""
    return (logits.softmax(1) - target.detach()).square().mean(1)


def mutual_softmax_mse(first: Tensor, second: Tensor) -> Tensor:
    """(B, *S): as `softmax_mse`, but the gradient flows into both (original Pi-model)."""
    return (first.softmax(1) - second.softmax(1)).square().mean(1)


def softmax_kl(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """(B, *S): KL(teacher || student) in nats, summed over classes."""
    target = teacher_logits.detach()
    divergence = F.kl_div(student_logits.log_softmax(1), target.log_softmax(1), reduction="none", log_target=True)
    return divergence.sum(1)


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """(B, *S): -sum_k target_k log softmax(logits)_k in nats; both (B, K, *S), and `target` sums to 1 over classes."""
    return -(target.detach() * logits.log_softmax(1)).sum(1)


def logit_mse(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """(B, *S): squared difference of the raw logits, averaged over classes. A common mistake, kept to show its effect.

    It is `softmax_mse` without the softmax. Its gradient does not fade where both networks are sure, is weak where they
    are undecided, and also acts on the sum and the scale of the logits, which do not change the predicted class.
    """
    return logit_distance(student_logits, teacher_logits.detach())


def logit_distance(first: Tensor, second: Tensor) -> Tensor:
    """(B, *S): squared difference of raw logits, averaged over classes; the gradient flows into both."""
    return (first - second).square().mean(1)


def neighbor_cost(
    first: Tensor, second: Tensor, neighbors: Tensor, *, margin: float, distance: Literal["mean", "sum"]
) -> Tensor:
    """(B,): d^2 for pairs of neighbors, max(0, margin - d)^2 for other pairs; the gradient flows into both.

    The contrastive loss of SNTG (arXiv:1711.00258). Its gradient at d = 0 is 0, not NaN.

    Args:
        first, second: features (B, F).
        neighbors: (B,) bool.
        distance: d^2 is the "mean" or the "sum" of the squared differences of the F features.
    """
    d = torch.linalg.vector_norm(first - second, dim=1)  # gradient 0 at 0, unlike sqrt
    if distance == "mean":
        d = d / first.shape[1] ** 0.5
    return torch.where(neighbors, d.square(), (margin - d).relu().square())


def balanced_reconstruction(first: Tensor, second: Tensor, image: Tensor, *, per: Literal["sample", "batch"]) -> Tensor:
    """(B,): squared error of `first + second` against `image`, averaged over pixels; trains only one of the two.

    HybridNet's balancing (arXiv:1807.11407): the gradient flows into the part whose own error is larger (the first, if
    they are equal), so that neither part leaves all the work to the other.

    Args:
        first, second, image: (B, C, H, W).
        per: compare the errors per "sample", or over the whole "batch".
    """
    errors = torch.stack([(part.detach() - image).square().flatten(1).mean(1) for part in (first, second)])  # (2, B)
    if per == "batch":
        errors = errors.mean(1, keepdim=True).expand_as(errors)
    trains_first = (errors[0] >= errors[1])[:, None, None, None]
    trained = torch.where(trains_first, first, first.detach()) + torch.where(trains_first, second.detach(), second)
    return (trained - image).square().flatten(1).mean(1)
