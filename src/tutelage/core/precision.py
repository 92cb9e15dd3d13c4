"""Precision of sums and softmaxes under mixed precision."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """`x` in float32 if it is of lower precision, else as it is: float64 stays float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
