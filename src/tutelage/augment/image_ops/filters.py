"""Filters with a small fixed kernel. As in Pillow, border pixels without a full neighborhood are unchanged."""

from __future__ import annotations

import torch
from torch import Tensor

from tutelage.augment.image_ops.blending import mix
from tutelage.augment.image_ops.inputs import check_images, per_row, takes_floats


def box_sum(planes: Tensor, width: int, side: int) -> Tensor:
    """(N, P - (side - 1) * (width + 1)): sums over side x side pixels, for each flat position of the first of them.

    The planes are summed as flat lines, so that every operand is one long run of memory. Positions whose box crosses
    the right edge hold no meaning.

    Args:
        planes: (N, P) int16, images of `width` pixels per line, row by row.
    """
    length = planes.shape[1] - (side - 1)
    across = planes[:, :length] + planes[:, 1 : 1 + length]
    for k in range(2, side):
        across += planes[:, k : k + length]
    length -= (side - 1) * width
    total = across[:, :length] + across[:, width : width + length]
    for k in range(2, side):
        total += across[:, k * width : k * width + length]
    return total


def with_border_of(images: Tensor, flat: Tensor, border: int) -> Tensor:
    """The images with all but a `border` of pixels replaced by `flat` (N, P'), which `box_sum` laid out."""
    rows, channels, height, width = images.shape
    inner_height, inner_width = height - 2 * border, width - 2 * border
    stride = (channels * flat.shape[1], flat.shape[1], width, 1)
    inner = flat.contiguous().as_strided((rows, channels, inner_height, inner_width), stride)
    result = images.clone(memory_format=torch.contiguous_format)
    result[..., border:-border, border:-border] = inner
    return result


@takes_floats
def smooth(images: Tensor) -> Tensor:
    """`PIL.ImageFilter.SMOOTH`: 3 x 3, the center counted five times, divided by 13."""
    shape = check_images(images)
    if min(shape.height, shape.width) < 3:
        return images.clone()
    mean, _ = smoothed(images)
    return with_border_of(images, mean.to(torch.int16).to(torch.uint8), 1)


def smoothed(images: Tensor) -> tuple[Tensor, Tensor]:
    """The smoothed levels and the levels themselves, both float32 (B * C, P') laid out as by `box_sum`."""
    width = images.shape[3]
    planes = images.reshape(-1, images.shape[2] * width).to(torch.int16)
    total = box_sum(planes, width, 3)
    center = planes[:, width + 1 : width + 1 + total.shape[1]]
    total.add_(center, alpha=4)
    # 13 is odd: no sum lies half-way between two levels, so float32 rounds each as Pillow does.
    return total.to(torch.float32).add_(6.5).mul_(1 / 13).floor_(), center.to(torch.float32)


@takes_floats
def blur(images: Tensor) -> Tensor:
    """`PIL.ImageFilter.BLUR`: the mean of the 16 outermost of 5 x 5 pixels."""
    shape = check_images(images)
    if min(shape.height, shape.width) < 5:
        return images.clone()
    planes = images.reshape(-1, shape.height * shape.width).to(torch.int16)
    total = box_sum(planes, shape.width, 5)
    inner = box_sum(planes, shape.width, 3)
    ring = total.sub_(inner[:, shape.width + 1 : shape.width + 1 + total.shape[1]])
    return with_border_of(images, ring.add_(8).bitwise_right_shift_(4).to(torch.uint8), 2)


@takes_floats
def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """`PIL.ImageEnhance.Sharpness`: 0 is the smoothed image, 1 the image, 2 a sharpened one; `factor` (B,)."""
    shape = check_images(images)
    amount = per_row(factor, images, "factor").view(-1, 1)
    if min(shape.height, shape.width) < 3:
        return images.clone()
    mean, levels = smoothed(images)
    return with_border_of(images, mix(mean, levels, amount.repeat_interleave(shape.channels, 0)), 1)
