"""The linear probe: one linear layer on frozen features, by the protocol of He et al. 2020 (arXiv:1911.05722)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from tutelage.core.seeding import generator


@dataclass(frozen=True, kw_only=True)
class LinearProbe:
    """The settings of the published code; the learning rate is meant for features that are not normalized."""

    lr: Annotated[float, "learning rate"] = 30.0
    momentum: Annotated[float, "SGD's momentum"] = 0.9
    epochs: Annotated[int, "passes over the labeled images"] = 100
    drops: Annotated[tuple[int, ...], "epochs at which the learning rate drops to a tenth"] = (60, 80)
    batch: Annotated[int, "images per step"] = 256


PUBLISHED = LinearProbe()


def fit_linear(
    features: Callable[[int, Tensor], Tensor],
    label: Tensor,
    num_classes: int,
    *,
    seed: int,
    settings: LinearProbe = PUBLISHED,
) -> tuple[Tensor, Tensor]:
    """Weights (K, F) and biases (K,) after the last epoch of SGD on the cross-entropy, without weight decay.

    The published code reports the best epoch on the scored images; here they are not used to select anything.

    Args:
        features: maps (epoch, rows (B,) int64) to the features (B, F) of these labeled images in that epoch.
        label: (N,) int64.
        seed: of the initial weights, N(0, 0.01^2), and of the order of the images.
    """
    width = features(0, torch.zeros(1, dtype=torch.int64)).shape[1]
    weight = 0.01 * torch.randn(num_classes, width, generator=generator(seed, "linear probe", "weights"))
    weight, bias = weight.requires_grad_(), torch.zeros(num_classes, requires_grad=True)
    optimizer = torch.optim.SGD([weight, bias], lr=settings.lr, momentum=settings.momentum)
    for epoch in range(settings.epochs):
        optimizer.param_groups[0]["lr"] = settings.lr * 0.1 ** sum(epoch >= drop for drop in settings.drops)
        order = torch.randperm(len(label), generator=generator(seed, "linear probe", "order", epoch))
        for rows in order.split(settings.batch):
            loss = F.cross_entropy(F.linear(features(epoch, rows), weight, bias), label[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    return weight.detach(), bias.detach()
