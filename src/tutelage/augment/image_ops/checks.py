"""Checks of the batch of an image operation."""

from __future__ import annotations

import torch
from torch import Tensor

from tutelage.augment.view import ImageShape


def check_images(images: Tensor) -> ImageShape:
    """The shape of one image of a (B, C, H, W) uint8 batch with C = 1 or 3.

    Raises:
        TypeError: `images` is not a uint8 tensor.
        ValueError: it has another shape, or another number of channels.
    """
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a uint8 tensor (B, C, H, W), got {type(images).__name__}")
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be uint8 with values 0 to 255, got {images.dtype}; standardize after augmenting")
    if images.dim() != 4:
        raise ValueError(f"images must have the shape (B, C, H, W), got {tuple(images.shape)}")
    channels, height, width = images.shape[1:]
    if channels not in (1, 3):
        raise ValueError(f"images must have 1 or 3 channels, got {channels} in the shape {tuple(images.shape)}")
    if height < 1 or width < 1:
        raise ValueError(f"images must have at least one pixel, got the shape {tuple(images.shape)}")
    return ImageShape(channels, height, width)


def check_rows(images: Tensor, numbers: Tensor, name: str) -> None:
    """Raise ValueError unless `numbers` has one entry per image and is on the CPU or on the device of the images."""
    if numbers.dim() < 1 or numbers.shape[0] != images.shape[0]:
        raise ValueError(
            f"{name} must have one entry for each of the {images.shape[0]} images, got the shape {tuple(numbers.shape)}"
        )
    if numbers.device.type != "cpu" and numbers.device != images.device:
        raise ValueError(f"{name} must be on the CPU or on {images.device} like the images, got {numbers.device}")
