"""Pictures that a pretrained network tells apart, and runs on its features that keep all they compute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tutelage.core.cache_folder import VARIABLE
from tutelage.training import checkpoint

SIZE = 32


def pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise in three classes, one of them brighter in each channel."""
    draw, label = np.random.default_rng(seed), np.arange(count) % 3
    images = draw.integers(0, 120, (count, SIZE, SIZE, 3), dtype=np.uint8)
    for channel in range(3):
        images[label == channel, :, :, channel] += 90
    return images, label


def save_pictures(file: Path, count: int, *, labels: int, test: int = 0) -> Path:
    """A `.npz` file of pictures, the first `labels` of them with a label, and others to test."""
    x, y = pictures(count, 0)
    arrays = {"x": x, "y": np.where(np.arange(count) < labels, y, -1)}
    if test:
        arrays["x_test"], arrays["y_test"] = pictures(test, 1)
    np.savez(file, **arrays)
    return file


@contextmanager
def all_kept(cache: Path, steps: int) -> Iterator[pytest.MonkeyPatch]:
    """While it is open, features are kept in `cache`, and runs of that many steps keep all their checkpoints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(cache))
        patch.setattr(checkpoint, "KEEP", steps + 1)
        yield patch
