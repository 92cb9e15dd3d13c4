"""Which part of an image a random resized crop keeps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tutelage.augment.view import ImageShape

RATIO = (3 / 4, 4 / 3)  # of a crop's width to its height
TRIES = 10  # at a crop that fits, as in torchvision


def draw_crops(rows: int, shape: ImageShape, smallest: float, generator: torch.Generator) -> Tensor:
    """(B, 4) int64 boxes that keep a share of the area drawn uniformly from [smallest, 1], as in torchvision.

    The logarithm of the ratio of the sides is drawn uniformly. The first of `TRIES` boxes that fits is taken, otherwise
    the largest one in the center.
    """
    u = torch.rand(rows, TRIES, 4, generator=generator, dtype=torch.float64)
    area = shape.height * shape.width * (smallest + (1 - smallest) * u[..., 0])
    low, high = math.log(RATIO[0]), math.log(RATIO[1])
    ratio = (low + (high - low) * u[..., 1]).exp()
    width, height = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (width >= 1) & (height >= 1) & (width <= shape.width) & (height <= shape.height)
    first = fits.to(torch.int8).argmax(1, keepdim=True)  # 0 where none fits
    width, height, u_x, u_y = (each.gather(1, first).squeeze(1) for each in (width, height, u[..., 2], u[..., 3]))
    left = (u_x * (shape.width - width + 1)).floor()
    top = (u_y * (shape.height - height + 1)).floor()
    boxes = torch.stack([left, top, left + width, top + height], dim=1).long()

    central_width = min(shape.width, max(1, round(shape.height * RATIO[1])))
    central_height = min(shape.height, max(1, round(shape.width / RATIO[0])))
    left_in, top_in = (shape.width - central_width) // 2, (shape.height - central_height) // 2
    central = torch.tensor([left_in, top_in, left_in + central_width, top_in + central_height])
    return torch.where(fits.any(1, keepdim=True), boxes, central)
