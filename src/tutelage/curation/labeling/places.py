"""Where the images of a pile are on its map."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from tutelage.results.report.projection import project


class Places:
    """Positions in the plane, computed once, when they are asked for first. Several threads may ask.

    Args:
        features: (N, D).
        seed: of the projection.
    """

    def __init__(self, features: NDArray[np.float32], *, seed: int) -> None:
        self._features, self._seed = features, seed
        self._lock = threading.Lock()
        self._found: dict[str, list[float]] | None = None

    def found(self) -> dict[str, list[float]]:
        """`x` and `y` of each image, in [0, 1]."""
        with self._lock:
            if self._found is None:
                places = project(self._features, seed=self._seed).places
                x, y = ((places - places.min(0)) / np.maximum(np.ptp(places, axis=0), 1e-12)).round(4).T.tolist()
                self._found = {"x": x, "y": y}
            return self._found
