"""Precision of sums and softmaxes under mixed precision, and of new tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """`x` in float32 if it is of lower precision, else as it is: float64 stays float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@contextmanager
def float32_by_default() -> Iterator[None]:
    """While open, new tensors and networks are float32, whatever default the caller has set; then that is back."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
