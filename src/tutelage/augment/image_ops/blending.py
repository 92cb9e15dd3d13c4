"""The color mix: an image blended with another by a factor per row. Four of Pillow's enhancers are nothing else."""

from __future__ import annotations

import torch
from torch import Tensor

from tutelage.augment.image_ops.checks import check_images, check_rows


def per_row(values: Tensor, images: Tensor, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """(B,) numbers as (B, 1, 1, 1) of `dtype` on the images' device.

    Raises:
        ValueError: there is not one number for each image.
    """
    check_rows(images, values, name)
    return values.to(device=images.device, dtype=dtype, non_blocking=True).view(-1, 1, 1, 1)


def to_uint8(values: Tensor) -> Tensor:
    """Float32 values clipped to [0, 255] and truncated, in uint8; overwrites `values`."""
    # By way of int16: the direct conversion is not vectorized on CPUs and takes five times as long.
    return values.clamp_(0, 255).to(torch.int16).to(torch.uint8)


def blend(first: Tensor, second: Tensor, factor: Tensor) -> Tensor:
    """first + factor * (second - first), clipped and truncated as in `PIL.Image.blend`; factors beyond 1 extrapolate.

    Args:
        first: uint8 or float32 holding whole numbers, to be broadcast against `second`.
        second: (B, C, H, W) uint8.
        factor: (B,), used in float32 as Pillow does.
    """
    start = first if first.dtype == torch.float32 else first.to(torch.float32)
    mixed = second.to(torch.float32).sub_(start).mul_(per_row(factor, second, "factor"))
    return to_uint8(mixed.add_(start))


def luma(images: Tensor) -> Tensor:
    """(B, 1, H, W) float32 holding whole numbers: Pillow's conversion to mode L (ITU-R 601-2, 16-bit fixed point)."""
    if images.shape[1] == 1:
        return images.to(torch.float32)
    red, green, blue = images.to(torch.float32).unbind(1)
    # Every sum is a whole number below 2^24, so float32 holds it exactly.
    total = (red * 19595.0).add_(green * 38470.0).add_(blue * 7471.0).add_(32768.0)
    return total.mul_(1 / 65536).floor_().unsqueeze(1)


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """`PIL.ImageEnhance.Brightness`: 0 is black, 1 the image."""
    check_images(images)
    return to_uint8(images.to(torch.float32).mul_(per_row(factor, images, "factor")))


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """`PIL.ImageEnhance.Contrast`: 0 is the image's mean luma, rounded, 1 the image."""
    check_images(images)
    mean = luma(images).sum((1, 2, 3), dtype=torch.float64) / (images.shape[2] * images.shape[3])
    return blend((mean + 0.5).floor().to(torch.float32).view(-1, 1, 1, 1), images, factor)


def color(images: Tensor, factor: Tensor) -> Tensor:
    """`PIL.ImageEnhance.Color`: 0 is the image in gray, 1 the image; an image of one channel stays as it is."""
    check_images(images)
    return blend(luma(images), images, factor)


def grayscale(images: Tensor) -> Tensor:
    """The luma in every channel: (B, C, H, W)."""
    check_images(images)
    return luma(images).to(torch.int16).to(torch.uint8).expand_as(images).contiguous()
