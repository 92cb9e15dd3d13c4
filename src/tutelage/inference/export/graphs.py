"""A trained network with what comes before and after it, as one module that other runtimes take."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tutelage.data.images.loader import Normalization
from tutelage.networks.base import Network
from tutelage.run.frozen_networks import FrozenNetworks


class Standardize(nn.Module):
    """(x - mean) / std per channel, of gray levels in [0, 255]; as `Normalization`, but part of the graph."""

    mean: Tensor
    scale: Tensor

    def __init__(self, levels: Normalization) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(levels.mean).view(1, -1, 1, 1))
        self.register_buffer("scale", torch.tensor([1.0 / std for std in levels.std]).view(1, -1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        return (pixels - self.mean) * self.scale


class FrozenGraph(nn.Module):
    """What a head sees of images, (B, D), by frozen networks that each have their own standardization."""

    def __init__(self, networks: FrozenNetworks) -> None:
        super().__init__()
        parts = networks.parts
        self.levels = nn.ModuleList([Standardize(part.normalization) for part in parts])
        self.trunks = nn.ModuleList([part.trunk for part in parts])
        self.transforms = nn.ModuleList([part.transform for part in parts if part.transform is not None])

    def forward(self, pixels: Tensor) -> Tensor:
        pixels = pixels.expand(-1, 3, -1, -1)  # gray as color
        parts = zip(self.levels, self.trunks, self.transforms, strict=True)
        return torch.cat([transform(trunk(levels(pixels))) for levels, trunk, transform in parts], dim=1)


class ImageGraph(nn.Module):
    """Class probabilities (B, K), or features (B, F) of an encoder, from images (B, S, S, C) uint8.

    Args:
        network: the trained network, which takes what `normalization` returns.
        classifies: whether it predicts classes.
    """

    def __init__(self, network: Network, normalization: Callable[[Tensor], Tensor], classifies: bool) -> None:
        super().__init__()
        self.classifies = classifies
        self.network = network
        if isinstance(normalization, FrozenNetworks):
            self.prepared: nn.Module = FrozenGraph(normalization)
        else:
            assert isinstance(normalization, Normalization)
            self.prepared = Standardize(normalization)

    def forward(self, images: Tensor) -> Tensor:
        prepared = self.prepared(images.permute(0, 3, 1, 2).float())
        if self.classifies:
            return self.network(prepared).softmax(1)
        return self.network.features(prepared)


class WindowGraph(nn.Module):
    """Class probabilities (B, K, *S) of windows (B, C, *S) float32, which are standardized as the run says."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, window: Tensor) -> Tensor:
        logits: Tensor = self.network(window)
        return logits.softmax(1)
