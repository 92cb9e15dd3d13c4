"""Several networks side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tutelage.networks.base import Network


class JoinedNetwork(Network):
    """The features of several networks (B, F_1 + F_2 + ...) and one linear head on all of them.

    All of them see the same standardized images. It is not trained: frozen networks, each with its own
    standardization, are passed one by one, so that their features are cached one by one.
    """

    def __init__(self, networks: Sequence[Network], num_classes: int) -> None:
        super().__init__()
        width = sum(network.head.in_features for network in networks)
        for network in networks:
            network.head = nn.Identity()  # type: ignore[assignment]
        self.networks = nn.ModuleList(networks)
        self.head = nn.Linear(width, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """(B, F_1 + F_2 + ...): the features of each network, in their order."""
        return torch.cat([network.features(images) for network in self.networks], dim=1)  # type: ignore[operator]
