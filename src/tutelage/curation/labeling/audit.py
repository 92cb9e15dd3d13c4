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


def mix_in(queue: Sequence[int], order: NDArray[np.int64], answered: NDArray[np.bool_]) -> list[tuple[int, bool]]:
    """As many rows to ask about as `queue` has, each with whether it comes from the order.

    Every fifth answer does, and none is asked about twice.

    Args:
        queue: rows without an answer, of which the first come first.
    """
    count, found = int(answered.sum()), dict[int, bool]()
    while len(found) < len(queue):
        random = (count + len(found)) % EVERY == EVERY - 1
        waiting = order[~answered[order]].tolist() if random else queue
        found[next(row for row in waiting if row not in found)] = random
    return list(found.items())
