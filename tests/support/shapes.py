"""Rings and crosses somewhere on a noisy ground: images of which it is known where the object is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIZE, OBJECT = 32, 11  # pixels


def shapes(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Images (n, 32, 32) uint8, their classes (0 ring, 1 cross), and (n, 2) the centers of the objects."""
    draw = np.random.default_rng(seed)
    images = draw.integers(0, 120, (count, SIZE, SIZE)).astype(np.uint8)
    classes, corners = draw.integers(0, 2, count), draw.integers(0, SIZE - OBJECT, (count, 2))
    away = np.abs(np.arange(OBJECT) - OBJECT // 2)
    radius = np.hypot(*np.meshgrid(away, away))
    forms = ((radius > 2.5) & (radius < 5.5), (np.minimum.outer(away, away) < 1.5) & (np.maximum.outer(away, away) < 6))
    for image, kind, (y, x) in zip(images, classes, corners, strict=True):
        image[y : y + OBJECT, x : x + OBJECT][forms[kind]] = 220
    return images, classes, corners + OBJECT // 2


def save_shapes(file: Path, *, labeled: int = 300, tested: int = 60) -> Path:
    """Images to train on and to test, as a `.npz` file."""
    x, y, _ = shapes(labeled, 0)
    x_test, y_test, _ = shapes(tested, 1)
    np.savez(file, x=x, y=y, x_test=x_test, y_test=y_test, classes=np.array(["ring", "cross"]))
    return file
