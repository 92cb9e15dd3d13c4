"""From the last map of a network back to the image."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from tutelage.networks.base import initialize


class Decoder(nn.Module):
    """Maps like those of an encoder's stages, from the last but one to the first, and then an image.

    Each is enlarged from the one before (nearest neighbor) and passed through 3x3 convolutions, with leaky ReLU (slope
    0.1) before and batch norm after each. Maps and image end without an activation, so that they can take any value.

    Args:
        channels: of the image, then of the encoder's map of each stage.
        layers: convolutions for each map.
    """

    def __init__(self, channels: Sequence[int], layers: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        for coarse, fine in zip(channels[:1:-1], channels[-2:0:-1], strict=True):
            block = nn.Sequential()
            for layer in range(layers):
                convolution = nn.Conv2d(coarse if layer == 0 else fine, fine, 3, padding=1, bias=False)
                block.extend([nn.LeakyReLU(0.1), convolution, nn.BatchNorm2d(fine)])
            self.blocks.append(block)
        self.image = nn.Sequential(nn.LeakyReLU(0.1), nn.Conv2d(channels[1], channels[0], 3, padding=1))
        initialize(self)

    def forward(self, maps: Sequence[Tensor], images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What the last of `maps` says of the images and of the other maps; of these, the sizes alone are looked at.

        Args:
            maps: of the encoder, from the first stage to the last.
            images: (B, C, H, W) that the encoder saw.

        Returns:
            (B, C, H, W), and one map like each of `maps[:-1]`, in their order.
        """
        decoded, made = maps[-1], []
        for block, like in zip(self.blocks, reversed(maps[:-1]), strict=True):
            decoded = block(F.interpolate(decoded, size=like.shape[2:]))
            made.append(decoded)
        image = self.image(F.interpolate(decoded, size=images.shape[2:]))
        return image, made[::-1]
