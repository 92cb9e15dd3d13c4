"""What ReMixMatch (arXiv:1911.09785, algorithm 1) has beyond MixMatch, with plain loops."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
TINY = 1e-6  # the authors' code adds it to both frequencies


def align(p: list[float], target: list[float], recent: list[list[float]]) -> list[float]:
    """Normalize(p target / p~), p~ being the mean of the remembered mean predictions."""
    running = [sum(mean[k] for mean in recent) / len(recent) for k in range(len(p))]
    scaled = [p[k] * (target[k] + TINY) / (running[k] + TINY) for k in range(len(p))]
    return [value / sum(scaled) for value in scaled]


def turn(image: Array, quarters: int) -> Array:
    """(C, H, H) turned counterclockwise: the last column becomes the first row, once for each quarter."""
    side = image.shape[1]
    for _ in range(quarters):
        turned = np.empty_like(image)
        for row in range(side):
            for column in range(side):
                turned[:, row, column] = image[:, column, side - 1 - row]
        image = turned
    return image
