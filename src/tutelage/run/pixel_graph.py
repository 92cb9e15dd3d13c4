"""What a trained network sees of images, computed from their gray levels by one module: it has gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tutelage.data.images.loader import Normalization
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


def prepared_by(normalization: Callable[[Tensor], Tensor]) -> nn.Module:
    """What a network does not do itself to pixels in [0, 255], as part of a graph."""
    if isinstance(normalization, FrozenNetworks):
        return FrozenGraph(normalization)
    assert isinstance(normalization, Normalization)
    return Standardize(normalization)


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
