"""What every network here is: features, then one linear layer."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Network(nn.Module, ABC):
    """Standardized images (B, C, H, W) float32 to logits (B, K), through features (B, F).

    Attributes:
        head: from features to logits; a method that wants other outputs replaces it or adds a second one.
        deep_supervision: whether `maps` gives more than the logits.
    """

    head: nn.Linear
    deep_supervision: bool = False

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """(B, F): what the linear head sees."""

    def forward(self, images: Tensor) -> Tensor:
        """(B, K): logits."""
        return self.head(self.features(images))

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """The logits, then those of coarser levels where the network has such heads, all of one shape."""
        return (self(images),)

    @torch.no_grad()
    def start_from(self, images: Tensor) -> None:
        """Once, before training: set what the start of a network takes from some standardized images (B, C, H, W).

        That is nothing in most networks; `forward` writes nothing but batch-norm statistics in all of them.
        """


class InputNoise(nn.Module):
    """Adds Gaussian noise of a fixed standard deviation in training mode, nothing in evaluation mode.

    Args:
        deviation: in units of the standardized image, at least 0.
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
    """Draw all weights anew: convolutions N(0, 2 / (k^2 C_out)), linear layers Glorot normal, biases 0.

    The rule of FixMatch's and Mean Teacher's code for convolutions, and of FixMatch's for linear layers. Batch norm
    keeps PyTorch's start of scale 1 and shift 0.
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
