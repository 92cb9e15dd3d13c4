"""Random numbers that depend on a seed and a name only, never on earlier draws.

So a resumed run draws the same numbers as an uninterrupted one, whatever the number of workers.
"""

from __future__ import annotations

import hashlib
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
