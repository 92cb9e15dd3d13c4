"""Classifying the features of a frozen backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tutelage.core.logistic import fit_logistic
from tutelage.networks.base import Network


class FeatureHead(Network):
    """A linear classifier of transformed features (B, D); it takes the place of a network where the backbone is frozen.

    It starts at zero, where all classes are equally likely.
    """

    def __init__(self, dims: int, num_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(dims, num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def features(self, images: Tensor) -> Tensor:
        """(B, D): the features as they are."""
        return images

    @torch.no_grad()
    def start_at(self, features: Tensor, label: Tensor, *, l2: float, row_weights: Tensor | None = None) -> None:
        """Start at the logistic regression of labeled features (n, D) with classes `label` (n,); see `fit_logistic`."""
        weight, bias = fit_logistic(features, label, self.head.out_features, l2=l2, row_weights=row_weights)
        self.head.weight.copy_(weight)
        self.head.bias.copy_(bias)
