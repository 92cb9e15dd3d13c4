"""Two images blended by a factor per row: four of Pillow's enhancers."""

from __future__ import annotations

import torch
from torch import Tensor

from tutelage.augment.image_ops.inputs import FLOATS, check_images, from_levels, per_row, takes_floats, to_levels


def to_uint8(values: Tensor) -> Tensor:
    """Float32 values clipped to [0, 255] and truncated, in uint8; overwrites `values`."""
    # By way of int16: the direct conversion is not vectorized on CPUs and takes five times as long.
    return values.clamp_(0, 255).to(torch.int16).to(torch.uint8)


def mix(start: Tensor, levels: Tensor, factor: Tensor) -> Tensor:
    """uint8: start + factor * (levels - start), clipped and truncated; overwrites `levels`, float32 like `start`."""
    return to_uint8(levels.sub_(start).mul_(factor).add_(start))


def blend(first: Tensor, second: Tensor, factor: Tensor) -> Tensor:
    """first + factor * (second - first), clipped and truncated as in `PIL.Image.blend`; factors beyond 1 extrapolate.

    Args:
        first, second: (B, C, H, W), both uint8 or both of one float type, in which the result comes back.
        factor: (B,), used in float32 as Pillow does.
    """
    if isinstance(second, Tensor) and second.dtype in FLOATS and second.dtype == first.dtype:
        return from_levels(blend(to_levels(first), to_levels(second), factor), second.dtype)
    check_images(first)
    check_images(second)
    return mix(first.to(torch.float32), second.to(torch.float32), per_row(factor, second, "factor"))


def luma(levels: Tensor) -> Tensor:
    """(B, 1, H, W) float32 holding whole numbers: Pillow's conversion to mode L (ITU-R 601-2, 16-bit fixed point).

    Of other numbers of channels than 3, which are no colors, it is their mean, rounded.

    Args:
        levels: (B, C, H, W) float32 holding whole numbers.
    """
    if levels.shape[1] == 1:
        return levels
    if levels.shape[1] != 3:
        return levels.mean(1, keepdim=True).add_(0.5).floor_()
    red, green, blue = levels.unbind(1)
    # Every sum is a whole number below 2^24, so float32 holds it exactly.
    total = (red * 19595.0).add_(green, alpha=38470.0).add_(blue, alpha=7471.0).add_(32768.0)
    return total.mul_(1 / 65536).floor_().unsqueeze(1)


@takes_floats
def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """`PIL.ImageEnhance.Brightness`: 0 is black, 1 the image."""
    check_images(images)
    return to_uint8(images.to(torch.float32).mul_(per_row(factor, images, "factor")))


@takes_floats
def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """`PIL.ImageEnhance.Contrast`: 0 is the image's mean luma, rounded, 1 the image."""
    check_images(images)
    levels = images.to(torch.float32)
    return mix(mean_luma(luma(levels)), levels, per_row(factor, images, "factor"))


def mean_luma(gray: Tensor) -> Tensor:
    """(B, 1, 1, 1) float32: the mean over each image of `luma`, rounded."""
    # A line's sum is below 2^24 and exact in float32; float64 is only needed, and slow, for the whole image.
    total = gray.sum(3).sum((1, 2), dtype=torch.float64)
    mean = total.div_(gray.shape[2] * gray.shape[3]).add_(0.5).floor_().to(torch.float32)
    return mean.view(-1, 1, 1, 1)


@takes_floats
def color(images: Tensor, factor: Tensor) -> Tensor:
    """`PIL.ImageEnhance.Color`: 0 is the image in gray, 1 the image; an image that is not RGB stays as it is."""
    shape = check_images(images)
    amount = per_row(factor, images, "factor")
    if not shape.colored:
        return images.clone()
    levels = images.to(torch.float32)
    return mix(luma(levels), levels, amount)


@takes_floats
def grayscale(images: Tensor) -> Tensor:
    """The luma in every channel: (B, C, H, W)."""
    check_images(images)
    return luma(images.to(torch.float32)).to(torch.int16).to(torch.uint8).expand_as(images).contiguous()
