"""Batches in which each row has its own operations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tutelage.augment.image_ops.affine import Fill, fixed_point
from tutelage.augment.image_ops.inputs import check_images, check_rows
from tutelage.augment.operation import Operation, matrices
from tutelage.augment.sorted_operations import apply_sorted
from tutelage.augment.static_operations import apply_static
from tutelage.augment.view import ImageShape


def apply_operations(
    images: Tensor,
    operations: Sequence[Operation],
    chosen: Tensor,
    numbers: Tensor,
    *,
    maps: Tensor | None = None,
    fill: Fill = 0,
    possible: Sequence[Sequence[int]] | None = None,
) -> Tensor:
    """(B, C, H, W) uint8 images after the operations that were chosen for each row, in their order.

    Rows are sorted by operation on a CPU, which computes less. Elsewhere, and where this is compiled, every row goes
    through the same few calls, whatever was drawn. The pixels are the same.

    Args:
        chosen: (B, S) int64, positions in `operations`.
        numbers: (B, S, P) float64, the arguments of each operation.
        maps: (B, S, 6) int32, those of `affine_maps`; computed, on the CPU, if not given.
        fill: of the gaps that geometric operations leave.
        possible: for each of the S, the positions that can have been chosen; by default all.

    Raises:
        ValueError: a position is outside `operations`, or shapes do not fit.
    """
    shape = check_images(images)
    check_rows(images, chosen, "chosen")
    check_rows(images, numbers, "numbers")
    if chosen.numel() == 0:
        return images.clone()
    if chosen.device.type == "cpu" and not torch.compiler.is_compiling():
        check_chosen(chosen, operations)
    if images.device.type == "cpu" and not torch.compiler.is_compiling():
        maps = affine_maps(operations, chosen, numbers, shape) if maps is None else maps
        return apply_sorted(images, operations, chosen, numbers, maps, fill)
    if maps is None and any(operation.geometric for operation in operations):
        maps = affine_maps(operations, chosen.cpu(), numbers.cpu(), shape)  # waits for the device: give them
    return apply_static(images, operations, chosen, numbers, maps, fill, possible)


def check_chosen(chosen: Tensor, operations: Sequence[Operation]) -> None:
    """Raise ValueError if a position is outside of `operations`."""
    if not 0 <= int(chosen.min()) <= int(chosen.max()) < len(operations):
        raise ValueError(
            f"operations are numbered 0 to {len(operations) - 1}, got {int(chosen.min())} to {int(chosen.max())}"
        )


def affine_maps(operations: Sequence[Operation], chosen: Tensor, numbers: Tensor, shape: ImageShape) -> Tensor:
    """(B, S, 6) int32: the affine map of each operation in fixed point; the identity for those that are not geometric.

    Computed on the CPU, so that all devices meet the same pixels: sines are not the same everywhere.
    """
    return fixed_point(matrices(operations, chosen, numbers[..., 0], shape))
