"""Images drawn at random, some of which are asked about for the sake of the estimate.

All images of a pile stand in a random order. Those at its beginning that have an answer, up to the first that has none,
are a random sample of the pile, however they came to be answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

EVERY = 5  # one question in five is about the next image of the order


def random_order(names: Sequence[str], seed: int) -> NDArray[np.int64]:
    """(N,) rows of images in an order that follows from the seed and their names: others may join them later."""
    keys = [blake2b(f"{seed}/{name}".encode(errors="surrogatepass"), digest_size=8).digest() for name in names]
    return np.array(sorted(range(len(names)), key=keys.__getitem__), np.int64)


def drawn(order: NDArray[np.int64], answered: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The rows at the beginning of an order that have an answer, up to the first that has none."""
    waiting = np.flatnonzero(~answered[order])
    return order[: waiting[0] if len(waiting) else len(order)]


def is_due(answers: int) -> bool:
    """Whether the next question, after this number of answers, is about an image drawn at random."""
    return answers % EVERY == EVERY - 1
