"""HybridNet's reconstruction costs as naive float64 loops, written from the paper's text and formulas.

What a gradient must not pass is given apart, as `fixed_...`: a constant with the value of that moment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Array = np.ndarray


def squared_error(image: Array, other: Array) -> float:
    """Averaged over all pixels and channels of one image."""
    return sum((image[place] - other[place]) ** 2 for place in np.ndindex(image.shape)) / image.size


def reconstruction(
    first: Array, second: Array, images: Array, fixed_first: Array, fixed_second: Array, per: str
) -> list[float]:
    """The cost of each image: the branch that is further from it by itself is trained, the other is a constant."""
    own_first = [squared_error(part, image) for part, image in zip(fixed_first, images, strict=True)]
    own_second = [squared_error(part, image) for part, image in zip(fixed_second, images, strict=True)]
    if per == "batch":
        own_first = [sum(own_first)] * len(images)
        own_second = [sum(own_second)] * len(images)
    costs = []
    for row, image in enumerate(images):
        if own_first[row] >= own_second[row]:
            costs.append(squared_error(first[row] + fixed_second[row], image))
        else:
            costs.append(squared_error(fixed_first[row] + second[row], image))
    return costs


def intermediate(decoded: Sequence[Array], fixed_encoded: Sequence[Array]) -> float:
    """The mean squared difference of each pair of maps, summed."""
    return sum(squared_error(d, e) for d, e in zip(decoded, fixed_encoded, strict=True))


def share(step: int, total: int, rampup: float, rampdown: str) -> float:
    """The ramp of the reconstruction's weight: up over `rampup` of training, then down to its end."""
    up = math.exp(-5.0 * (1.0 - min(step / (rampup * total), 1.0)) ** 2)
    if rampdown == "cosine":
        return up * (1.0 + math.cos(math.pi * step / total)) / 2.0
    left = (total - step) / (0.2 * total)
    return up * (1.0 if left >= 1.0 else math.exp(-12.5 * (1.0 - left) ** 2))
