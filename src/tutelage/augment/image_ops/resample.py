"""Crops resized, by one small matrix per row and axis, and Gaussian blur."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tutelage.augment.image_ops.affine import pick
from tutelage.augment.image_ops.blending import to_uint8
from tutelage.augment.image_ops.inputs import check_images, check_rows, takes_floats

Filter = Literal["lanczos", "bicubic", "bilinear", "box", "hamming", "nearest"]
FILTERS: tuple[Filter, ...] = ("lanczos", "bicubic", "bilinear", "box", "hamming", "nearest")
SUPPORT = {"lanczos": 3.0, "bicubic": 2.0, "bilinear": 1.0, "box": 0.5, "hamming": 1.0}
BOX_BLURS = 3  # Pillow's Gaussian is this many box blurs


def kernel(name: Filter, x: Tensor) -> Tensor:
    """The resampling filter of that name in Pillow at the distances x, in output pixels."""
    distance = x.abs()
    if name == "lanczos":
        return torch.where(distance < 3, torch.sinc(x) * torch.sinc(x / 3), 0.0)
    if name == "bicubic":
        near = (1.5 * distance - 2.5) * distance.square() + 1
        far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
        return torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))
    if name == "bilinear":
        return (1 - distance).clamp(min=0)
    if name == "hamming":
        return torch.where(distance < 1, torch.sinc(x) * (0.54 + 0.46 * torch.cos(math.pi * x)), 0.0)
    return ((x > -0.5) & (x <= 0.5)).to(x.dtype)  # "box"


def crop_weights(start: Tensor, length: Tensor, size: int, new_size: int, name: Filter) -> Tensor:
    """(B, new_size, size) float64: the weight of each of `size` pixels in each pixel of the resized crop.

    Args:
        start, length: (B,) whole numbers, the crop along this axis.
    """
    start, length = start.double().view(-1, 1, 1), length.double().view(-1, 1, 1)
    position = torch.arange(size, dtype=torch.float64, device=start.device) - start  # within the crop
    scale = length / new_size
    stretch = scale.clamp(min=1)
    support = SUPPORT[name] * stretch
    center = (torch.arange(new_size, dtype=torch.float64, device=start.device)[:, None] + 0.5) * scale
    first = (center - support + 0.5).trunc().clamp(min=0)
    last = torch.minimum((center + support + 0.5).trunc(), length)
    counted = (position >= first) & (position < last)
    weights = kernel(name, (position - center + 0.5) / stretch) * counted
    return weights / weights.sum(2, keepdim=True)


def mix_levels(levels: Tensor, weights: Tensor) -> Tensor:
    """(B, C, L, new) float32 whole levels: (B, C, L, old) of them mixed by weights (B, new, old), rounded, clipped.

    Pillow sums whole numbers, weights being multiples of 2^-22, and so does this: the weights are split in two whole
    numbers of 10 and 12 bits, whose products float32 sums without rounding.
    """
    fixed = (weights * 2.0**22).round()
    high = (fixed / 4096).floor()
    parts = torch.cat([high, fixed - high * 4096], dim=1).to(torch.float32)
    summed = (levels @ parts.transpose(1, 2).unsqueeze(1)).to(torch.int32)
    high_sum, low_sum = summed.chunk(2, dim=3)
    total = high_sum.mul(4096).add_(low_sum).add_(2**21).bitwise_right_shift_(22)
    return total.clamp_(0, 255).to(torch.float32)


@takes_floats
def resize_crops(
    images: Tensor, boxes: Tensor, height: int, width: int, *, resample: Filter = "bilinear", flip: Tensor | None = None
) -> Tensor:
    """(B, C, height, width) uint8: a box of each image, resized as by `PIL.Image.crop` and `resize`.

    As in Pillow the filter widens where the box shrinks. A box that grows is resized bit for bit as by Pillow; for one
    that shrinks Pillow may take the axes in the other order, which moves a level by one.

    Args:
        images: (B, C, H, W) uint8.
        boxes: (B, 4) whole numbers: left, top, right, bottom in pixels, inside the image and not empty.
        flip: (B,) bool, rows to mirror left and right.
    """
    shape = check_images(images)
    check_rows(images, boxes, "boxes")
    left, top, right, bottom = boxes.to(images.device, torch.float64, non_blocking=True).unbind(1)
    mirrored = None if flip is None else flip.to(images.device, non_blocking=True).view(-1, 1, 1)
    if resample == "nearest":
        columns = (left[:, None] + stepped((right - left) / width, width))[:, None]
        columns = columns if mirrored is None else torch.where(mirrored, columns.flip(2), columns)
        lines = (top[:, None] + stepped((bottom - top) / height, height))[:, :, None]
        return pick(images, columns.int().expand(-1, height, -1), lines.int().expand(-1, -1, width))
    across = crop_weights(left, right - left, shape.width, width, resample)
    across = across if mirrored is None else torch.where(mirrored, across.flip(1), across)
    down = crop_weights(top, bottom - top, shape.height, height, resample)
    lines = mix_levels(images.to(torch.float32), across)
    return to_uint8(mix_levels(lines.transpose(2, 3).contiguous(), down)).transpose(2, 3).contiguous()


def stepped(step: Tensor, count: int) -> Tensor:
    """(B, count) float64 whole numbers: the pixels met in steps of `step` (B,), from half a step on.

    Added up one by one as Pillow does, since that decides which of two pixels a tie takes.
    """
    steps = step[:, None].repeat(1, count)
    steps[:, 0] *= 0.5
    return steps.cumsum(1).floor_()


@takes_floats
def gaussian_blur(images: Tensor, sigma: Tensor, *, largest: float = 2.0) -> Tensor:
    """`PIL.ImageFilter.GaussianBlur` of radius `sigma` (B,) in pixels, no larger than `largest`.

    As in Pillow, three box blurs along each axis approximate the Gaussian, each rounded to whole levels; the edge
    pixel is repeated outside the image. Within one gray level.
    """
    check_images(images)
    check_rows(images, sigma, "sigma")
    variance = sigma.to(images.device, torch.float64, non_blocking=True).square() / BOX_BLURS
    whole = whole_radius(variance)
    rest = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance) / (6 * (variance - (whole + 1).square()))
    share = 1 / (2 * (whole + rest) + 1)
    reach = math.floor((math.sqrt(12 * largest**2 / BOX_BLURS + 1) - 1) / 2) + 1
    weights = [torch.where(whole >= k, share, share * rest * (whole == k - 1)) for k in range(reach + 1)]
    shares = [weight.to(torch.float32).view(-1, 1, 1, 1) for weight in weights]
    levels = images.to(torch.float32)
    for axis in (3, 2):
        for _ in range(BOX_BLURS):
            levels = box_blur(levels, shares, axis)
    return to_uint8(levels)


def whole_radius(variance: Tensor) -> Tensor:
    """The whole part of the radius of `BOX_BLURS` box blurs that together have this variance times `BOX_BLURS`."""
    return (((12 * variance + 1).sqrt() - 1) / 2).floor()


def box_blur(levels: Tensor, shares: list[Tensor], axis: int) -> Tensor:
    """Float32 levels averaged along an axis and rounded; `shares[k]` (B, 1, 1, 1) weighs neighbors at distance k."""
    reach, size = len(shares) - 1, levels.shape[axis]
    pad = (reach, reach, 0, 0) if axis == 3 else (0, 0, reach, reach)
    padded = F.pad(levels, pad, mode="replicate")
    total = levels * shares[0]
    for k, share in enumerate(shares[1:], start=1):
        pair = padded.narrow(axis, reach - k, size) + padded.narrow(axis, reach + k, size)
        total.add_(pair.mul_(share))
    return total.add_(0.5).floor_()
