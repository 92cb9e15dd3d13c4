"""Whether an image is like those that a network was trained on, by how near their features are.

The distance is the cosine distance to the fifth nearest of some training images (as in arXiv:2204.06507, with few
images). It is compared with the distances of other training images, so that the share of false alarms is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import RunError
from tutelage.core.seeding import derived_seed
from tutelage.run.run_arrays import directions_of, read_arrays, write_arrays

FILE = "pile.npz"
FALSE_ALARMS = 0.05  # the share of images like those of training that is called unlike them
MOST = 1_500  # images that are kept, if their features are known
MOST_PASSED = 600  # images that pass the network for this alone
_NEIGHBOR = 5
_COMPARED = 1 / 3  # of the images, whose distances are kept
_LEAST_COMPARED = 19  # below which no distance is so rare

Features = NDArray[np.float32]


@dataclass(frozen=True)
class TrainingPile:
    """Some of the images that a network was trained on.

    Attributes:
        directions: (m, F) float32: their features, scaled to length 1.
        distances: (h,) float64, sorted: how far other training images are from these.
    """

    directions: Features
    distances: NDArray[np.float64]

    @staticmethod
    def rows(candidates: NDArray[np.int64], most: int = MOST) -> NDArray[np.int64]:
        """These rows in random order, or `most` of them, drawn at random, if there are more."""
        return np.random.default_rng(derived_seed(0, "pile")).permutation(candidates)[:most]

    @staticmethod
    def of(features: Features) -> TrainingPile | None:
        """The pile of images in random order with these features (n, F); None if there are too few."""
        held = int(_COMPARED * len(features))
        if held < _LEAST_COMPARED or not np.isfinite(features).all():
            return None
        directions = directions_of(features).astype(np.float16).astype(np.float32)
        return TrainingPile(directions[held:], np.sort(_distances(features[:held], directions[held:])))

    def typicality(self, features: Features) -> NDArray[np.float64]:
        """(n,) in (0, 1]: the share of training images that are no nearer to the others than each of these (n, F).

        Of images like those of training, a share of at most `p` has a typicality of `p` or less (a conformal p-value).
        """
        found = _distances(features, self.directions)
        no_nearer = len(self.distances) - np.searchsorted(self.distances, found, side="left")
        values: NDArray[np.float64] = (1 + no_nearer) / (1 + len(self.distances))
        return values

    def save(self, run: Path) -> None:
        """Write it into a run folder."""
        write_arrays(run / FILE, {"directions": self.directions.astype(np.float16), "distances": self.distances})

    @staticmethod
    def read(run: Path) -> TrainingPile | None:
        """That of a run; None if it has none.

        Raises:
            RunError: the file is damaged.
        """
        file = run / FILE
        arrays = read_arrays(file, "file of features", "directions", "distances")
        if arrays is None:
            return None
        directions, distances = arrays["directions"], arrays["distances"]
        shapes = directions.dtype == np.float16 and directions.ndim == 2 and len(directions) >= _NEIGHBOR
        if not (shapes and distances.dtype == np.float64 and distances.ndim == 1 and len(distances)):
            raise RunError(f"{file} is damaged: expected features of images and distances")
        if not (np.isfinite(directions).all() and np.isfinite(distances).all()):
            raise RunError(f"{file} is damaged: a number is not finite")
        return TrainingPile(directions.astype(np.float32), np.sort(distances))


def _distances(features: Features, directions: Features) -> NDArray[np.float64]:
    """(n,) cosine distance of each image to the fifth nearest."""
    similar = directions_of(features) @ directions.T
    near = np.partition(similar, -_NEIGHBOR, axis=1)[:, -_NEIGHBOR]
    found: NDArray[np.float64] = 1.0 - near.astype(np.float64)
    return found
