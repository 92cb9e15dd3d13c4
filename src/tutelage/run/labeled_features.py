"""Features of the labeled images that a network was trained on: which of them does a new image look like?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import RunError
from tutelage.run.run_arrays import directions_of, read_arrays, write_arrays

FILE = "labeled.npz"
MOST = 2_000  # images that are kept
_BLOCK = 1_024  # images that are compared at once

Features = NDArray[np.float32]


@dataclass(frozen=True)
class LabeledReference:
    """Labeled images of training, in the order of split.json.

    Attributes:
        names: m, as in split.json.
        directions: (m, F) float32: their features, scaled to length 1.
        run: the folder that they are from.
    """

    names: tuple[str, ...]
    directions: Features
    run: Path | None = None

    @staticmethod
    def rows(labeled: NDArray[np.int64]) -> NDArray[np.int64]:
        """At most 2,000 of these rows, evenly spaced."""
        places = np.linspace(0, len(labeled) - 1, min(MOST, len(labeled))).astype(np.int64)
        return labeled[places]

    @staticmethod
    def of(names: Sequence[str], features: Features) -> LabeledReference | None:
        """Those of images with these features (m, F); None if there are none, or one is not finite."""
        if not len(features) or not np.isfinite(features).all():
            return None
        return LabeledReference(tuple(names), directions_of(features).astype(np.float16).astype(np.float32))

    def nearest(self, features: Features, count: int) -> list[tuple[str, ...]]:
        """The names of up to `count` images for each of these (n, F), the nearest first.

        Near is what has a large cosine of the angle between features; of equal ones, the first of split.json.
        """
        found: list[tuple[str, ...]] = []
        for start in range(0, len(features), _BLOCK):
            similar = directions_of(features[start : start + _BLOCK]) @ self.directions.T
            order = np.argsort(-similar, axis=1, kind="stable")[:, :count]
            found += [tuple(self.names[place] for place in row) for row in order]
        return found

    def save(self, run: Path) -> None:
        """Write them into a run folder."""
        names = np.array(self.names, np.str_)
        write_arrays(run / FILE, {"names": names, "directions": self.directions.astype(np.float16)})

    @staticmethod
    def read(run: Path) -> LabeledReference | None:
        """Those of a run; None if it has none, as one of an earlier version.

        Raises:
            RunError: the file is damaged.
        """
        file = run / FILE
        arrays = read_arrays(file, "file of features", "names", "directions")
        if arrays is None:
            return None
        names, directions = arrays["names"], arrays["directions"]
        shapes = directions.dtype == np.float16 and directions.ndim == 2 and len(directions) > 0
        if not (shapes and names.dtype.kind == "U" and names.shape == (len(directions),)):
            raise RunError(f"{file} is damaged: expected features of images and a name for each")
        if not np.isfinite(directions).all():
            raise RunError(f"{file} is damaged: a number is not finite")
        return LabeledReference(tuple(names.tolist()), directions.astype(np.float32), run)
