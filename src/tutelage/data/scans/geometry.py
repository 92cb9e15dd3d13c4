"""The positions of voxels in world coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]
_ROUNDING = 0.05  # voxels
_CODES = ("LR", "PA", "IS")  # the negative and the positive direction of world axis i


@dataclass(frozen=True, eq=False)
class Geometry:
    """The grid of a volume or a 2-D image.

    Attributes:
        shape: voxels along each axis, without channels.
        affine: (4, 4) float64 from voxel indices to RAS+ coordinates in mm, as nibabel has it.
        stated: whether the file states it; a PNG does not.
        second: the affine of another geometry that the file states too, or None: a NIfTI file has room for two.
    """

    shape: tuple[int, ...]
    affine: Affine
    stated: bool = True
    second: Affine | None = None

    @property
    def axes(self) -> int:
        """2 or 3."""
        return len(self.shape)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between neighbors along each axis, in mm."""
        return tuple(float(d) for d in np.linalg.norm(self.affine[:3, : self.axes], axis=0))

    @property
    def codes(self) -> str:
        """The direction of each axis, e.g. "RAS"; "" for 2-D images, whose directions are unknown."""
        return "".join(_CODES[w][int(sign > 0)] for w, sign in nearest_axes(self.affine)) if self.axes == 3 else ""

    def distance(self, other: Geometry) -> float:
        """The largest distance in mm between the positions of a voxel in this grid and in `other` of the same shape."""
        corners = np.array([[*corner, 1.0] for corner in product(*((0, n - 1) for n in (*self.shape, 1, 1)[:3]))])
        apart = corners @ (self.affine - other.affine).T
        return float(np.linalg.norm(apart[:, :3], axis=1).max())


def turned_onto(array: NDArray[Any], own: Geometry, other: Geometry) -> NDArray[Any] | None:
    """An array (*S) on the grid `own`, with its axes in the order and directions of `other`; a view.

    None if its voxels do not lie where those of `other` do, or lie there already, without turning.
    """
    if own.axes != 3 or other.axes != 3:
        return None
    moves = np.linalg.inv(other.affine) @ own.affine  # from voxel indices to voxel indices
    turn = np.rint(moves[:3, :3])
    order = np.abs(turn).argmax(1)  # axis of `own` along each axis of `other`
    if sorted(order) != [0, 1, 2] or np.abs(turn).sum() != 3 or (turn == np.eye(3)).all():
        return None
    flipped = turn[np.arange(3), order] < 0
    turned = array.transpose(order)
    turned = turned[tuple(slice(None, None, -1 if flip else 1) for flip in flipped)]
    ideal = np.eye(4)
    ideal[:3, :3], ideal[:3, 3] = turn, np.where(flipped, np.array(turned.shape) - 1, 0)
    same = Geometry(own.shape, other.affine @ ideal)
    close = same.distance(own) < _ROUNDING * min(own.spacing)
    return turned if close and turned.shape == other.shape else None


def plain_geometry(shape: tuple[int, ...], spacing: tuple[float, ...] = ()) -> Geometry:
    """The geometry of a file without one: axes along R, A and S, the first voxel at the origin, 1 mm unless given."""
    full = spacing * len(shape) if len(spacing) == 1 else spacing
    steps = [*full[: len(shape)], 1.0, 1.0, 1.0][:3]
    return Geometry(shape, np.diag([*steps, 1.0]), stated=False)


def nearest_axes(affine: Affine) -> list[tuple[int, int]]:
    """For each voxel axis, the nearest world axis and the direction, 1 or -1.

    The rotation comes from the polar decomposition; axes are assigned in order of how well they fit.
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(directions)
    rotation = left @ right
    found: dict[int, tuple[int, int]] = {}
    free = np.abs(rotation)
    for _ in range(3):
        world, axis = np.unravel_index(np.argmax(free), free.shape)
        found[int(axis)] = int(world), 1 if rotation[world, axis] > 0 else -1
        free[world, :] = free[:, axis] = -1.0
    return [found[axis] for axis in range(3)]
