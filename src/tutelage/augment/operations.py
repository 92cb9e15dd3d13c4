"""A batch in which each row undergoes its own operation: rows are sorted by operation, so that each is done once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tutelage.augment.image_ops.affine import Fill, affine, matrix_of, rotation
from tutelage.augment.view import ImageShape
from tutelage.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Operation:
    """One entry of a policy. An operation with neither function leaves the image as it is.

    Attributes:
        name: for people.
        pixels: maps (n, C, H, W) uint8 and numbers (n, P) float64 on the CPU to images of the same shape.
        matrix: maps numbers (n, P) and the image's shape to affine matrices (n, 6) float64; all operations that have
            one are done together.
    """

    name: str
    pixels: Callable[[Tensor, Tensor], Tensor] | None = None
    matrix: Callable[[Tensor, ImageShape], Tensor] | None = None


GEOMETRIC = {
    "rotate": Operation("rotate", matrix=lambda v, shape: rotation(v[:, 0], shape.height, shape.width)),
    "shear_x": Operation("shear_x", matrix=lambda v, shape: matrix_of(v, b=v[:, 0])),
    "shear_y": Operation("shear_y", matrix=lambda v, shape: matrix_of(v, d=v[:, 0])),
    "translate_x": Operation("translate_x", matrix=lambda v, shape: matrix_of(v, c=v[:, 0])),
    "translate_y": Operation("translate_y", matrix=lambda v, shape: matrix_of(v, f=v[:, 0])),
}


def index_of(name: str, operations: Sequence[Operation]) -> int:
    """The position of an operation.

    Raises:
        ConfigError: there is none of that name.
    """
    names = [operation.name for operation in operations]
    if name not in names:
        raise ConfigError(f"'{name}' is no operation of this policy{did_you_mean(name, names)}")
    return names.index(name)


def apply_operations(
    images: Tensor, operations: Sequence[Operation], chosen: Tensor, numbers: Tensor, *, fill: Fill = 0
) -> Tensor:
    """Each row of (B, C, H, W) uint8 images under the operation that was chosen for it.

    Args:
        chosen: (B,) int64 on the CPU, positions in `operations`.
        numbers: (B, P) float64 on the CPU, what the operation of each row is given.
        fill: where a geometric operation leaves the image.

    Raises:
        ValueError: a position is outside `operations`.
    """
    if chosen.numel() and not 0 <= int(chosen.min()) <= int(chosen.max()) < len(operations):
        raise ValueError(
            f"operations are numbered 0 to {len(operations) - 1}, got {int(chosen.min())} to {int(chosen.max())}"
        )
    affine_group = len(operations)  # one group for all operations that are an affine map
    group_of = [affine_group if operation.matrix else k for k, operation in enumerate(operations)]
    groups = torch.tensor(group_of)[chosen]
    order = groups.argsort(stable=True)
    counts = torch.bincount(groups, minlength=affine_group + 1).tolist()
    ordered = images.index_select(0, order.to(images.device, non_blocking=True))
    numbers, chosen = numbers[order], chosen[order]
    pieces, start = [], 0
    for group, count in enumerate(counts):
        if count == 0:
            continue
        rows = slice(start, start + count)
        piece, start = ordered[rows], start + count
        if group == affine_group:
            piece = affine(piece, matrices(operations, chosen[rows], numbers[rows], piece.shape), fill=fill)
        else:
            pixels = operations[group].pixels
            piece = piece if pixels is None else pixels(piece, numbers[rows])
        pieces.append(piece)
    if not pieces:
        return images.clone()
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))
    return torch.cat(pieces).index_select(0, back.to(images.device, non_blocking=True))


def matrices(operations: Sequence[Operation], chosen: Tensor, numbers: Tensor, shape: torch.Size) -> Tensor:
    """(n, 6) float64: the affine map of each row, whose operation is geometric."""
    result = torch.empty(len(chosen), 6, dtype=torch.float64)
    for k, operation in enumerate(operations):
        if operation.matrix is not None:
            rows = (chosen == k).nonzero().flatten()
            result[rows] = operation.matrix(numbers[rows], ImageShape(*shape[1:]))
    return result
