"""A rectangle of each image replaced by one color: what Cutout does."""

from __future__ import annotations

import torch
from torch import Tensor

from tutelage.augment.image_ops.checks import check_images, check_rows
from tutelage.augment.image_ops.color import color
from tutelage.augment.image_ops.levels import takes_floats


@takes_floats
def erase(images: Tensor, boxes: Tensor, *, fill: int | tuple[int, ...] = 127) -> Tensor:
    """(B, C, H, W) uint8 images with the inside of each row's box set to `fill`.

    Args:
        boxes: (B, 4) whole numbers: left, top, right, bottom in pixels, right and bottom not included. Boxes
            that are empty or outside the image erase nothing.
        fill: a gray level, or one level per channel.
    """
    shape = check_images(images)
    check_rows(images, boxes, "boxes")
    left, top, right, bottom = boxes.to(images.device, torch.int32, non_blocking=True).unbind(1)
    inside_x = within(left, right, shape.width).view(-1, 1, 1, shape.width)
    inside_y = within(top, bottom, shape.height).view(-1, 1, shape.height, 1)
    inside = inside_x & inside_y  # 255 or 0: masks of bits, since `where` takes ten times as long on CPUs
    filling = inside & (fill if isinstance(fill, int) else color(images, fill))
    return images.bitwise_and(inside.bitwise_not()).bitwise_or_(filling)


def within(start: Tensor, end: Tensor, size: int) -> Tensor:
    """(B, size) uint8: 255 at the positions from `start` (B,) to before `end` (B,), 0 elsewhere."""
    position = torch.arange(size, dtype=torch.int32, device=start.device)
    return ((position >= start[:, None]) & (position < end[:, None])).to(torch.uint8).mul_(255)
