"""Batches in which each row has its own operations: rows are sorted by operation, so that each one runs once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tutelage.augment.image_ops.affine import Fill, affine_fixed, fixed_point, rotation, slide_lines
from tutelage.augment.image_ops.inputs import check_images, check_rows
from tutelage.augment.view import ImageShape
from tutelage.core.errors import ConfigError, did_you_mean

# The geometric operations, by the entry of the matrix (a, b, c, d, e, f) that their number replaces.
ENTRIES = {"shear_x": 1, "translate_x": 2, "shear_y": 3, "translate_y": 5}
GEOMETRIC = ("rotate", *ENTRIES)
FILLS: dict[str, Fill] = {"black": 0, "gray": 127, "reflect": "reflect"}  # of the gaps that they leave, by name
SLIDING = ("shear_x", "translate_x", "translate_y")  # lines stay whole


@dataclass(frozen=True)
class Operation:
    """One entry of a policy.

    Attributes:
        name: one of `GEOMETRIC` is that affine map, by the first number.
        pixels: maps (n, C, H, W) uint8 and numbers (n, P) float64 on their device to images of the same shape; None
            leaves them unchanged.
    """

    name: str
    pixels: Callable[[Tensor, Tensor], Tensor] | None = None


def index_of(name: str, operations: Sequence[Operation]) -> int:
    """The position of an operation.

    Raises:
        ConfigError: there is none of that name.
    """
    names = [operation.name for operation in operations]
    if name not in names:
        raise ConfigError(f"'{name}' is not an operation of this policy{did_you_mean(name, names)}")
    return names.index(name)


def apply_operations(
    images: Tensor, operations: Sequence[Operation], chosen: Tensor, numbers: Tensor, *, fill: Fill = 0
) -> Tensor:
    """(B, C, H, W) uint8 images after the operations that were chosen for each row, in their order.

    Args:
        chosen: (B, S) int64 on the CPU, positions in `operations`.
        numbers: (B, S, P) float64 on the CPU, the arguments of each operation.
        fill: of the gaps that geometric operations leave.

    Raises:
        ValueError: a position is outside `operations`, or shapes do not fit.
    """
    shape = check_images(images)
    check_rows(images, chosen, "chosen")
    check_rows(images, numbers, "numbers")
    if chosen.numel() == 0:
        return images.clone()
    if not 0 <= int(chosen.min()) <= int(chosen.max()) < len(operations):
        raise ValueError(
            f"operations are numbered 0 to {len(operations) - 1}, got {int(chosen.min())} to {int(chosen.max())}"
        )
    # Hundreds of calls on a few rows each: inference mode saves a tenth of their time. The result is made outside of
    # it, so that it is an ordinary tensor.
    with torch.inference_mode():
        changed, place = apply_sorted(images, operations, chosen, numbers, shape, fill)
    return changed.index_select(0, place)


def apply_sorted(
    images: Tensor, operations: Sequence[Operation], chosen: Tensor, numbers: Tensor, shape: ImageShape, fill: Fill
) -> tuple[Tensor, Tensor]:
    """The changed images in some order, and the place (B,) of each row in it; arguments as of `apply_operations`."""
    # All affine maps form two groups. Everything that needs no pixels is computed before the first step.
    sliding, turning = len(operations), len(operations) + 1
    names = [operation.name for operation in operations]
    group_of = torch.tensor(
        [sliding if name in SLIDING else turning if name in GEOMETRIC else k for k, name in enumerate(names)]
    )
    groups = group_of[chosen]
    row_at = groups.argsort(dim=0, stable=True)  # (B, S): which row lies at each place of the sorted batch
    place = row_at.argsort(0)
    steps = torch.arange(chosen.shape[1])
    # Where the row of each place was before: first in the batch, then in the order of the previous step.
    before = torch.cat([row_at[:, :1], place[row_at[:, 1:], steps[:-1]], place[:, -1:]], dim=1).T
    before = before.contiguous().to(images.device, non_blocking=True)
    maps = fixed_point(matrices(operations, chosen, numbers[..., 0], shape))
    maps = maps[row_at, steps].to(images.device, non_blocking=True)
    numbers = numbers[row_at, steps].to(images.device, non_blocking=True)
    for step in range(chosen.shape[1]):
        counts = torch.bincount(groups[:, step], minlength=turning + 1).tolist()
        pieces = list(images.index_select(0, before[step]).split(counts))
        given, given_maps = numbers[:, step].split(counts), maps[:, step].split(counts)
        for group, count in enumerate(counts):
            if count == 0:
                continue
            if group == sliding:
                pieces[group] = slide_lines(pieces[group], given_maps[group], fill)
            elif group == turning:
                pieces[group] = affine_fixed(pieces[group], given_maps[group], fill)
            elif (pixels := operations[group].pixels) is not None:
                pieces[group] = pixels(pieces[group], given[group])
        images = torch.cat(pieces)
    return images, before[-1]


def matrices(operations: Sequence[Operation], chosen: Tensor, number: Tensor, shape: ImageShape) -> Tensor:
    """(B, S, 6) float64: the affine map of each operation; the identity for other operations."""
    entry_of = torch.tensor([ENTRIES.get(operation.name, 6) for operation in operations])
    matrix = torch.zeros(
        *chosen.shape, 7, dtype=torch.float64
    )  # the seventh entry takes the numbers of other operations
    matrix[..., 0], matrix[..., 4] = 1.0, 1.0
    matrix.scatter_(2, entry_of[chosen].unsqueeze(2), number.unsqueeze(2))
    matrix = matrix[..., :6]
    for k, operation in enumerate(operations):
        if operation.name == "rotate":
            turned = chosen == k
            matrix[turned] = rotation(number[turned], shape.height, shape.width)
    return matrix
