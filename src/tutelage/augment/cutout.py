"""Cutout: a square of each image made gray (DeVries & Taylor 2017, arXiv:1708.04552)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from tutelage.augment.image_ops.inputs import check_images, check_rows, fill_color, takes_floats
from tutelage.augment.view import Draws, ImageShape, View

Placement = Literal["official", "paper", "toolbox", "usb"]
TOOLBOXES = ("toolbox", "usb")
TOOLBOX_FILL = (125, 123, 114)


def boxes_around(center_x: Tensor, center_y: Tensor, side: Tensor | int) -> Tensor:
    """(B, 4) int64: left, top, right, bottom of boxes that reach `side // 2` to each side of whole-number centers."""
    half = side // 2
    return torch.stack([center_x - half, center_y - half, center_x + half, center_y + half], dim=1).long()


class Cutout(View):
    """A square of `share` of the shorter side erased, its center drawn uniformly over the image.

    "official": 16 pixels of 32, cut off at the image's edges. "paper": as drawn by the common PyTorch port, whose
    rectangle includes its last line and column, so 17, and is moved instead of cut off at the left and the top.
    "toolbox" and "usb": like that, with the side drawn uniformly from 0 to `share` of the width, in the mean color of
    ImageNet.
    Draws: `cutout` (B, 4) int64 boxes: left, top, right, bottom, the last two not included.
    """

    def __init__(self, share: float, placement: Placement = "official") -> None:
        self.share, self.placement = share, placement

    def draw(self, rows: int, shape: ImageShape, generator: torch.Generator) -> Draws:
        u = torch.rand(rows, 3, generator=generator, dtype=torch.float64)
        x, y = u[:, 0] * shape.width, u[:, 1] * shape.height
        side = torch.full((rows,), float(int(self.share * min(shape.height, shape.width))), dtype=torch.float64)
        if self.placement == "official":
            return {"cutout": boxes_around(x.floor(), y.floor(), side)}
        if self.placement in TOOLBOXES:
            side = u[:, 2] * self.share * shape.width
        left, top = (x - side / 2).clamp(min=0).trunc(), (y - side / 2).clamp(min=0).trunc()
        right = (left + side).clamp(max=shape.width).trunc() + 1
        bottom = (top + side).clamp(max=shape.height).trunc() + 1
        boxes = torch.stack([left, top, right, bottom], dim=1).long()
        return {"cutout": boxes * (side > 0)[:, None]}

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        check_images(images)
        fill: int | tuple[int, ...] = 127
        if self.placement in TOOLBOXES:
            fill = TOOLBOX_FILL if images.shape[1] == 3 else sum(TOOLBOX_FILL) // 3
        return erase(images, draws["cutout"], fill=fill)

    def describe(self, draws: Draws, row: int) -> str:
        left, top, right, bottom = draws["cutout"][row].tolist()
        return f"cutout {right - left}x{bottom - top}" if right > left else "no cutout"


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
    filling = inside & (fill if isinstance(fill, int) else fill_color(images, fill))
    return images.bitwise_and(inside.bitwise_not()).bitwise_or_(filling)


def within(start: Tensor, end: Tensor, size: int) -> Tensor:
    """(B, size) uint8: 255 at the positions from `start` (B,) to before `end` (B,), 0 elsewhere."""
    position = torch.arange(size, dtype=torch.int32, device=start.device)
    return ((position >= start[:, None]) & (position < end[:, None])).to(torch.uint8).mul_(255)
