"""A linear head that learns from labels and from its own weighted pseudo-labels, in a few hundred small steps."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tutelage.core.logistic import fit_logistic
from tutelage.core.targets import align, moved_towards

_BATCH, _RATE, _DROPOUT, _SHARE, _SIGMAS = 256, 0.01, 0.5, 0.01, 2.0


def fit_soft_head(
    features: Tensor,
    labeled: Tensor,
    label: Tensor,
    unlabeled: Tensor,
    num_classes: int,
    *,
    steps: int,
    l2: float,
    generator: torch.Generator,
    row_weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The weight (K, D) and bias (K,) of a head with SoftMatch's loss (arXiv:2301.10921), for features of size 1.

    It starts at the logistic regression of the labels. In each of `steps`, all labels and 256 unlabeled rows are
    learned with Adam, whose rate falls from 0.01 along a cosine. Pseudo-labels are of predictions on the features,
    aligned to uniform classes; with SoftMatch's weights, they are targets on features of which a half is dropped.

    Args:
        features: (N, D), of which `labeled` (n,) and `unlabeled` (m,) are rows; `label` (n,) are the classes.
        l2: weight of the penalty l2 / 2 |W|^2.
        generator: on the CPU; of the rows and of what is dropped.
        row_weights: (n,) of the labels; None weighs all alike.
    """
    rows, device = features[labeled], features.device
    shares = torch.ones(len(label), device=device) if row_weights is None else row_weights.to(device)
    shares = (shares / shares.sum()).to(features.dtype)
    weight, bias = fit_logistic(rows, label, num_classes, l2=l2, row_weights=row_weights)
    weight, bias = weight.requires_grad_(), bias.requires_grad_()
    optimizer = torch.optim.Adam([weight, bias], lr=_RATE)
    uniform = torch.full((num_classes,), 1.0 / num_classes, dtype=features.dtype, device=device)
    classes, mean, variance = uniform, uniform[0], torch.ones_like(uniform[0])
    for step in range(steps):
        drawn = torch.randint(len(unlabeled), (_BATCH,), generator=generator)
        kept = (torch.rand(_BATCH, features.shape[1], generator=generator) >= _DROPOUT).to(device)
        u = features[unlabeled[drawn.to(device)]]
        with torch.no_grad():
            probs = (u @ weight.T + bias).softmax(1)
            classes = moved_towards(classes, probs.mean(0), _SHARE)
            confidence, pseudo_label = align(probs, uniform, classes).max(1)
            mean = moved_towards(mean, confidence.mean(), _SHARE)
            variance = moved_towards(variance, confidence.var(), _SHARE)
            below = (confidence - mean).clamp_max(0.0)
            sureness = (-below.square() / (2.0 * variance / _SIGMAS**2)).exp()
        with torch.enable_grad():
            supervised = (F.cross_entropy(rows @ weight.T + bias, label, reduction="none") * shares).sum()
            strong = (u * kept / (1.0 - _DROPOUT)) @ weight.T + bias
            unsupervised = (F.cross_entropy(strong, pseudo_label, reduction="none") * sureness).mean()
            loss = supervised + unsupervised + 0.5 * l2 * weight.square().sum()
        weight.grad, bias.grad = torch.autograd.grad(loss, [weight, bias])
        optimizer.param_groups[0]["lr"] = _RATE * math.cos(7.0 / 16.0 * math.pi * step / steps)
        optimizer.step()
    return weight.detach(), bias.detach()
