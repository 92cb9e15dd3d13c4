"""Operations that map each gray level to another one, by a rule or by a table for each row and channel."""

from __future__ import annotations

import torch
from torch import Tensor

from tutelage.augment.image_ops.inputs import check_images, per_row, takes_floats


def look_up(levels: Tensor, tables: Tensor) -> Tensor:
    """(N, P) uint8: entry `levels[n, p]` of table n.

    Args:
        levels: (N, P) int64, 0 to 255.
        tables: (N, 256) uint8.
    """
    return tables.gather(1, levels)


@takes_floats
def invert(images: Tensor) -> Tensor:
    """255 - image, as `PIL.ImageOps.invert`."""
    check_images(images)
    return images.bitwise_not()


@takes_floats
def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """The highest `bits` (B,) of each level kept, as `PIL.ImageOps.posterize`; whole numbers from 1 to 8."""
    check_images(images)
    dropped = torch.pow(2.0, 8.0 - per_row(bits, images, "bits")).to(torch.int16)
    return images.bitwise_and((256 - dropped).to(torch.uint8))


@takes_floats
def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Levels of at least `threshold` (B,) inverted, as `PIL.ImageOps.solarize`; 0 inverts all, 256 none."""
    check_images(images)
    limit = per_row(threshold, images, "threshold").ceil().to(torch.int16)
    # The sign, shifted over all bits, is a mask; a comparison and `where` take ten times as long on CPUs.
    below = images.to(torch.int16).sub_(limit).bitwise_right_shift_(15).to(torch.uint8)
    return images.bitwise_xor(below.bitwise_not_())


@takes_floats
def autocontrast(images: Tensor) -> Tensor:
    """Each channel stretched over [0, 255], as `PIL.ImageOps.autocontrast` without cutoff."""
    check_images(images)
    planes = images.flatten(2).flatten(0, 1)
    return look_up(planes.long(), autocontrast_tables(planes)).view_as(images)


def autocontrast_tables(planes: Tensor) -> Tensor:
    """(N, 256) uint8: the new level of each level, for planes (N, P) of whole levels."""
    low, high = planes.amin(1, keepdim=True).double(), planes.amax(1, keepdim=True).double()
    # In float64 and in Pillow's order, since the rounding of these two decides which level is met.
    # (`255.0 / tensor` would not do: it multiplies by the rounded reciprocal.)
    scale = torch.where(high > low, torch.full_like(high, 255.0).div_(high - low), 1.0)
    offset = torch.where(high > low, -low * scale, 0.0)
    level = torch.arange(256, dtype=torch.float64, device=planes.device)
    return (level * scale).add_(offset).clamp_(0, 255).to(torch.int16).to(torch.uint8)


@takes_floats
def equalize(images: Tensor) -> Tensor:
    """Each channel's histogram made as even as its levels allow, as `PIL.ImageOps.equalize`."""
    check_images(images)
    planes = images.flatten(2).flatten(0, 1)
    levels = planes.long()
    return look_up(levels, equalize_tables(planes, levels)).view_as(images)


def equalize_tables(planes: Tensor, levels: Tensor) -> Tensor:
    """(N, 256) uint8: the new level of each level, for planes (N, P), which `levels` holds in int64."""
    one = torch.ones((), dtype=torch.int32, device=planes.device)
    histogram = torch.zeros(len(planes), 256, dtype=torch.int32, device=planes.device)
    histogram.scatter_add_(1, levels, one.expand_as(levels))
    highest = histogram.gather(1, planes.amax(1, keepdim=True).long())
    step = (planes.shape[1] - highest) // 255
    darker = histogram.cumsum(1, dtype=torch.int32).sub_(histogram).add_(step // 2)
    # float64 divides whole numbers exactly enough, and faster than int32 does.
    tables = darker.double().div_(step).floor_().clamp_(max=255)
    level = torch.arange(256, dtype=torch.float64, device=planes.device)
    return torch.where(step > 0, tables, level).to(torch.int16).to(torch.uint8)
