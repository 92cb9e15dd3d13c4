"""Where the voxels of a volume lie in the world."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]
_CODES = ("LR", "PA", "IS")  # of world axis i: where its negative and its positive end lie


@dataclass(frozen=True, eq=False)
class Geometry:
    """The grid of a volume, or of an image of two axes.

    Attributes:
        shape: voxels along each axis, without channels.
        affine: (4, 4) float64 from voxel indices to RAS+ coordinates in mm, as nibabel has it.
        stated: whether the file says so; a PNG does not.
    """

    shape: tuple[int, ...]
    affine: Affine
    stated: bool = True

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
        """Where each axis points, e.g. "RAS"; of two axes nothing is known: ""."""
        return "".join(_CODES[w][int(sign > 0)] for w, sign in nearest_axes(self.affine)) if self.axes == 3 else ""

    def distance(self, other: Geometry) -> float:
        """The farthest that any voxel of this grid lies from where `other` puts it, in mm; the shapes are equal."""
        corners = np.array([[*corner, 1.0] for corner in product(*((0, n - 1) for n in (*self.shape, 1, 1)[:3]))])
        apart = corners @ (self.affine - other.affine).T
        return float(np.linalg.norm(apart[:, :3], axis=1).max())


def plain_geometry(shape: tuple[int, ...], spacing: tuple[float, ...] = ()) -> Geometry:
    """That of a file which states none: axes along R, A and S, the first voxel at the origin, 1 mm unless given."""
    full = spacing * len(shape) if len(spacing) == 1 else spacing
    steps = [*full[: len(shape)], 1.0, 1.0, 1.0][:3]
    return Geometry(shape, np.diag([*steps, 1.0]), stated=False)


def nearest_axes(affine: Affine) -> list[tuple[int, int]]:
    """For each voxel axis the world axis it is nearest to, and in which direction, 1 or -1.

    The rotation part is taken from the polar decomposition, and axes are given away in the order of how well they fit.
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
