"""Features of planted clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def unit(rows: NDArray) -> NDArray[np.float32]:
    """Rows of norm 1."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def blobs(sizes: tuple[int, ...], *, spread: float = 0.1, seed: int = 0) -> tuple[NDArray[np.float32], NDArray]:
    """Rows of norm 1 around orthogonal directions, as many around each as `sizes` says, and the number of each's."""
    draw, own = np.random.default_rng(seed), np.repeat(np.arange(len(sizes)), sizes)
    return unit(np.eye(max(len(sizes), 8))[own] + spread * draw.normal(size=(len(own), max(len(sizes), 8)))), own
