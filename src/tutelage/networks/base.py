"""The base class of all networks: features, followed by one linear layer."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Network(nn.Module, ABC):
    """Maps standardized images (B, C, H, W) float32 to logits (B, K), through features (B, F).

    Attributes:
        head: maps features to logits. A method that needs other outputs replaces it or adds a second one.
        deep_supervision: whether `maps` returns more than the logits.
    """

    head: nn.Linear
    deep_supervision: bool = False

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """(B, F): the input of the linear head."""

    def forward(self, images: Tensor) -> Tensor:
        """(B, K): logits."""
        return self.head(self.features(images))

    @property
    def plain(self) -> bool:
        """Whether the logits are those of a linear layer of the features, as they are unless a subclass changes it."""
        return type(self).forward is Network.forward and isinstance(self.head, nn.Linear)

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """The logits, followed by those of coarser levels if the network has such heads; all have the same shape."""
        return (self(images),)

    @torch.no_grad()
    def start_from(self, images: Tensor) -> None:
        """Set initial values that depend on data, from standardized images (B, C, H, W). Called once, before training.

        Most networks have no such values. `forward` writes nothing but batch-norm statistics in any network.
        """


class InputNoise(nn.Module):
    """Adds Gaussian noise with a fixed standard deviation in training mode; does nothing in evaluation mode.

    Args:
        deviation: standard deviation of the noise in units of the standardized image, at least 0.
    """

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, images: Tensor) -> Tensor:
        if not self.training or self.deviation == 0.0:
            return images
        return images + self.deviation * torch.randn_like(images)

    def extra_repr(self) -> str:
        return f"deviation={self.deviation}"


def initialize(network: nn.Module) -> None:
    """Reinitialize all weights: convolutions from N(0, 2 / (k^2 C_out)), linear layers Glorot normal, biases 0.

    FixMatch's and Mean Teacher's code initialize convolutions this way, and FixMatch's code linear layers. Batch norm
    keeps PyTorch's initial scale of 1 and shift of 0.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.xavier_normal_(module.weight)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
