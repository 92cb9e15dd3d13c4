"""The surface of a mask as smoothed quadrilaterals for drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST = 12_000  # quadrilaterals; a finer mask is downsampled first
_ROUNDS, _PULL = 6, 0.5  # iterations and step of the smoothing


@dataclass(frozen=True)
class Surface:
    """Faces between the voxels of a mask and its outside.

    Attributes:
        quads: (F, 4, 3) float64, corners in mm, in order around the face.
        normals: (F, 3), unit vectors pointing outwards.
        classes: (F,) the class index of the voxel inside.
    """

    quads: NDArray[np.float64]
    normals: NDArray[np.float64]
    classes: NDArray[np.int64]


def surface_of(mask: NDArray[np.uint8], spacing: Sequence[float]) -> Surface:
    """The smoothed surface of all voxels (X, Y, Z) above 0.

    Args:
        spacing: in mm along each axis.
    """
    step = np.asarray(spacing, float)
    corners, classes, size = _faces(mask)
    while len(corners) > MOST:
        mask, step = _halved(mask), 2.0 * step
        corners, classes, size = _faces(mask)
    if not len(corners):
        return Surface(np.zeros((0, 4, 3)), np.zeros((0, 3)), classes)
    flat = np.ravel_multi_index(tuple(np.moveaxis(corners, -1, 0)), size)
    known, quads = np.unique(flat, return_inverse=True)
    quads = quads.reshape(flat.shape)
    points = np.stack(np.unravel_index(known, size), axis=1) * step
    places = _smoothed(points, quads)[quads]
    normals = np.cross(places[:, 2] - places[:, 0], places[:, 3] - places[:, 1])
    return Surface(places, normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12), classes)


def _faces(mask: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[int, ...]]:
    """Corners (F, 4, 3) of all faces as grid indices, the class inside each face, and the size of the grid."""
    padded = np.pad(mask, 1).astype(np.int64)
    corners, classes = [], []
    for axis in range(3):
        lower = padded.take(range(padded.shape[axis] - 1), axis)
        upper = padded.take(range(1, padded.shape[axis]), axis)
        b, c = (axis + 1) % 3, (axis + 2) % 3
        for inside, outside, turn in (
            (lower, upper, ((0, 0), (1, 0), (1, 1), (0, 1))),
            (upper, lower, ((0, 0), (0, 1), (1, 1), (1, 0))),
        ):
            places = np.argwhere((inside > 0) & (outside == 0))
            face = np.repeat(places[:, None], 4, axis=1)
            face[..., axis] += 1
            for corner, (along_b, along_c) in enumerate(turn):
                face[:, corner, b] += along_b
                face[:, corner, c] += along_c
            corners.append(face)
            classes.append(inside[tuple(places.T)])
    return np.concatenate(corners), np.concatenate(classes), tuple(n + 1 for n in padded.shape)


def _smoothed(points: NDArray[np.float64], quads: NDArray[np.int64]) -> NDArray[np.float64]:
    """Laplacian smoothing: each point moves towards the mean of the points that it shares an edge with."""
    a = quads.ravel()
    b = np.roll(quads, 1, axis=1).ravel()
    ends, others = np.concatenate([a, b]), np.concatenate([b, a])
    count = np.bincount(ends, minlength=len(points))[:, None]
    for _ in range(_ROUNDS):
        total = np.stack([np.bincount(ends, points[others, axis], len(points)) for axis in range(3)], axis=1)
        points = points + _PULL * (total / count - points)
    return points


def _halved(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Downsampled by 2: the largest class of each 2 x 2 x 2 block, or background if most of the block is."""
    even = np.pad(mask, [(0, n % 2) for n in mask.shape])
    x, y, z = (n // 2 for n in even.shape)
    blocks = even.reshape(x, 2, y, 2, z, 2)
    return np.where((blocks > 0).sum((1, 3, 5)) >= 4, blocks.max((1, 3, 5)), 0).astype(np.uint8)
