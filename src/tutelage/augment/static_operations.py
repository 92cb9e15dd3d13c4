"""The operations of a batch by the same tensor operations whatever was drawn.

Every row goes through one table of levels for each channel, one mix of two images and one affine map. What is not the
operation of a row is neutral for it: the table that changes nothing, an image mixed with itself, the identity. No shape
depends on the draws, so a GPU gets few calls, which `torch.compile` fuses and a CUDA graph can hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from tutelage.augment.image_ops.affine import Fill, affine_fixed
from tutelage.augment.image_ops.blending import to_uint8
from tutelage.augment.image_ops.tables import look_up
from tutelage.augment.operation import Operation
from tutelage.augment.pixels import Pixels, mixed

Chosen = list[tuple[Operation, Tensor]]  # operations with the rows (B,) bool that have them


@torch.no_grad()
def apply_static(
    images: Tensor,
    operations: Sequence[Operation],
    chosen: Tensor,
    numbers: Tensor,
    maps: Tensor | None,
    fill: Fill,
    possible: Sequence[Sequence[int]] | None = None,
) -> Tensor:
    """The images after their operations; arguments as of `apply_operations`, with `maps` given if some move pixels."""
    chosen, numbers = (given.to(images.device, non_blocking=True) for given in (chosen, numbers))
    if maps is not None:
        maps = maps.to(images.device, non_blocking=True)
    names = torch.arange(len(operations), device=images.device)
    has = (chosen.unsqueeze(2) == names).unbind(1)  # for each step (B, operations)
    for step, mine in enumerate(has):
        rows = list(zip(operations, mine.unbind(1), strict=True))
        images = _recolored(images, rows if possible is None else [rows[k] for k in possible[step]], numbers[:, step])
        if maps is not None and any(operation.geometric for operation in operations):
            images = affine_fixed(images, maps[:, step], fill)
    return images


def _recolored(images: Tensor, rows: Chosen, numbers: Tensor) -> Tensor:
    """All that is not geometric."""
    pixels, first = Pixels(images), numbers[:, 0].to(torch.float32)
    result = _by_tables(pixels, [one for one in rows if one[0].table is not None], first.view(-1, 1, 1))
    colored = images.shape[1] == 3
    mixes = [one for one in rows if one[0].mixed is not None and (colored or "luma" not in one[0].mixed)]
    result = _by_mixes(pixels, result, mixes, first.view(-1, 1, 1, 1))
    for operation, there in rows:
        if operation.pixels is not None and operation.table is None and operation.mixed is None:
            # 0 for the other rows, which is in the range of each operation
            changed = operation.pixels(images, numbers * there.unsqueeze(1))
            result = torch.where(there.view(-1, 1, 1, 1), changed, result)
    return result


def _by_tables(pixels: Pixels, rows: Chosen, number: Tensor) -> Tensor:
    if not rows:
        return pixels.images
    table = pixels.level
    for operation, there in rows:
        assert operation.table is not None
        table = torch.where(there.view(-1, 1, 1), operation.table(pixels, number), table)
    table = to_uint8(table).expand(*pixels.images.shape[:2], 256).flatten(0, 1)
    return look_up(pixels.indices, table).view_as(pixels.images)


def _by_mixes(pixels: Pixels, result: Tensor, rows: Chosen, number: Tensor) -> Tensor:
    if not rows:
        return result
    start, end = (_part(pixels, rows, place) for place in (0, 1))
    anywhere = _any(there for _, there in rows)
    return torch.where(anywhere.view(-1, 1, 1, 1), to_uint8(mixed(start, end, number)), result)


def _part(pixels: Pixels, rows: Chosen, place: int) -> Tensor:
    """(B, C, H, W) float32: the start (0) or the end (1) of the mix of each row, the image itself where it has none."""
    part = pixels.image
    for operation, there in rows:
        assert operation.mixed is not None
        if (name := operation.mixed[place]) != "image":
            part = torch.where(there.view(-1, 1, 1, 1), getattr(pixels, name), part)
    return part


def _any(masks: Iterable[Tensor]) -> Tensor:
    first, *rest = masks
    for mask in rest:
        first = first | mask
    return first
