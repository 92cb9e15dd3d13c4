"""What an operation of a policy is: pixels by a function, by a table of levels, by a mix of two images, or a map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tutelage.augment.image_ops.affine import Fill, rotation
from tutelage.augment.pixels import Table
from tutelage.augment.view import ImageShape
from tutelage.core.errors import ConfigError, did_you_mean

# The geometric operations, by the entry of the matrix (a, b, c, d, e, f) that their number replaces.
ENTRIES = {"shear_x": 1, "translate_x": 2, "shear_y": 3, "translate_y": 5}
GEOMETRIC = ("rotate", *ENTRIES)
FILLS: dict[str, Fill] = {"black": 0, "gray": 127, "reflect": "reflect"}  # of the gaps that they leave, by name

Part = Literal["image", "luma", "smooth", "blur"]


@dataclass(frozen=True)
class Operation:
    """One entry of a policy.

    Attributes:
        name: one of `GEOMETRIC` is that affine map, by the first number.
        pixels: maps (n, C, H, W) uint8 and numbers (n, P) float64 on their device to images of the same shape; None
            leaves them unchanged.
        table: the same as a table of levels for each image or channel, where it is one.
        mixed: the same as `start + number * (end - start)` of two parts of `Pixels`, where it is that.
    """

    name: str
    pixels: Callable[[Tensor, Tensor], Tensor] | None = None
    table: Table | None = None
    mixed: tuple[Part, Part] | None = None

    @property
    def geometric(self) -> bool:
        """Whether it is an affine map."""
        return self.name in GEOMETRIC


def index_of(name: str, operations: Sequence[Operation]) -> int:
    """The position of an operation.

    Raises:
        ConfigError: there is none of that name.
    """
    names = [operation.name for operation in operations]
    if name not in names:
        raise ConfigError(f"'{name}' is not an operation of this policy{did_you_mean(name, names)}")
    return names.index(name)


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
