"""A color beside the images."""

from __future__ import annotations

import torch
from torch import Tensor


def color(images: Tensor, levels: tuple[int, ...]) -> Tensor:
    """(C, 1, 1) uint8: one level for each channel of `images` (B, C, H, W), on their device.

    Written there level by level: copying a list to a GPU would wait for it.

    Raises:
        ValueError: there are more or fewer levels than channels.
    """
    if len(levels) != images.shape[1]:
        raise ValueError(f"fill must have one level for each of {images.shape[1]} channels, got {levels}")
    return torch.stack([images.new_full((1, 1), level) for level in levels])
