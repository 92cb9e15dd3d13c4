"""Images at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tutelage.core.seeding import derived_seed
from tutelage.curation.selection.pick import Pick


def random_choice(labeled: NDArray[np.bool_], count: int, *, seed: int) -> list[Pick]:
    """`count` of the unlabeled rows, each equally likely; `labeled` is (N,)."""
    draw = np.random.default_rng(derived_seed(seed, "select"))
    rows = draw.choice(np.flatnonzero(~labeled), count, replace=False)
    return [Pick(int(row), "drawn at random") for row in rows]
