"""Random numbers that follow from a seed and a name, never from what was drawn before.

So a resumed run draws what the uninterrupted one would have drawn, and the number of workers changes nothing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derived_seed(seed: int, *key: int | str) -> int:
    """A 63-bit seed that depends on `seed` and `key` alone (BLAKE2b of both)."""
    text = repr((seed, *key)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def generator(seed: int, *key: int | str) -> torch.Generator:
    """A CPU generator for one purpose, e.g. `generator(seed, "unlabeled", "weak", step)`."""
    import torch  # here, so that the check of the data, which needs seeds alone, does not wait for it

    return torch.Generator().manual_seed(derived_seed(seed, *key))
