"""Random numbers that depend on a seed and a name only, never on earlier draws.

So a resumed run draws the same numbers as an uninterrupted one, whatever the number of workers.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derived_seed(seed: int, *key: int | str) -> int:
    """A 63-bit seed that depends on `seed` and `key` only (BLAKE2b of both)."""
    text = repr((seed, *key)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def generator(seed: int, *key: int | str) -> torch.Generator:
    """A CPU generator for one purpose, e.g. `generator(seed, "unlabeled", "weak", step)`."""
    import torch  # here because it is slow to import, and checking data needs `derived_seed` only

    return torch.Generator().manual_seed(derived_seed(seed, *key))


def seed_globally(seed: int, device: torch.device) -> None:
    """Seed the global generators of the CPU and of `device`, as `torch.manual_seed` does those of all devices.

    For each kind of device that is not in use, that takes note of the whole stack: milliseconds, at every step.
    """
    import torch

    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


@contextmanager
def own_random_state() -> Iterator[None]:
    """While open, the global generators of Python, NumPy and torch may be seeded; then they are as they were.

    So the library never changes what its caller draws next. A GPU counts if it was in use before.
    """
    import numpy as np
    import torch

    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
