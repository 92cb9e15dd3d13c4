"""The decoder of an auto-encoder: from the last feature map of a network back to the image."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from tutelage.networks.base import initialize


class Decoder(nn.Module):
    """Reconstructs the maps of an encoder's stages, from the second-to-last to the first, and then the image.

    Each map is upsampled from the previous one (nearest neighbor) and passed through 3x3 convolutions, with leaky ReLU
    (slope 0.1) before and batch norm after each. Maps and image end without an activation, so they can take any value.

    Args:
        channels: of the image, then of each encoder stage's map.
        layers: convolutions per map.
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
        """Reconstruct the image and the other maps from the last map. Only the sizes of the others are used.

        Args:
            maps: the encoder's maps, from the first stage to the last.
            images: (B, C, H, W), the input of the encoder; only its size is used.

        Returns:
            The image (B, C, H, W), and one reconstruction for each of `maps[:-1]`, in the same order.
        """
        decoded, reconstructed = maps[-1], []
        for block, like in zip(self.blocks, reversed(maps[:-1]), strict=True):
            decoded = block(F.interpolate(decoded, size=like.shape[2:]))
            reconstructed.append(decoded)
        image = self.image(F.interpolate(decoded, size=images.shape[2:]))
        return image, reconstructed[::-1]
