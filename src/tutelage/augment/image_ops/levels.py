"""Float images as gray levels, so that every operation has one kernel, with Pillow's 8-bit arithmetic."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

import torch
from torch import Tensor

FLOATS = frozenset((torch.float16, torch.bfloat16, torch.float32, torch.float64))
P = ParamSpec("P")


def to_levels(images: Tensor) -> Tensor:
    """Float images in [0, 1] as uint8, rounded to the nearest of 256 levels.

    Values outside [0, 1] are clipped and NaN is black: to raise would wait for the device.
    """
    levels = at_least_float32(images) * 255
    return levels.nan_to_num_(nan=0.0).clamp_(0, 255).round_().to(torch.uint8)


def from_levels(levels: Tensor, dtype: torch.dtype) -> Tensor:
    """Level / 255, rounded to the float type once; `to_levels` of it gives the levels back."""
    return (levels.double() if dtype == torch.float64 else levels.float()).div_(255).to(dtype)


def at_least_float32(images: Tensor) -> Tensor:
    """The images in float64 if they are, otherwise in float32: half precision would miss levels."""
    return images if images.dtype == torch.float64 else images.float()


def takes_floats(operation: Callable[Concatenate[Tensor, P], Tensor]) -> Callable[Concatenate[Tensor, P], Tensor]:
    """An operation on uint8 images, extended to float images in [0, 1].

    They are converted to levels, and the result to their float type. Fills stay gray levels from 0 to 255.

    Raises:
        TypeError: images of another type.
    """

    @functools.wraps(operation)
    def call(images: Tensor, *given: P.args, **named: P.kwargs) -> Tensor:
        if not isinstance(images, Tensor) or images.dtype == torch.uint8:
            return operation(images, *given, **named)
        if images.dtype not in FLOATS:
            raise TypeError(
                f"images must be uint8 with values 0 to 255, or float with values 0 to 1, got {images.dtype}"
            )
        return from_levels(operation(to_levels(images), *given, **named), images.dtype)

    return call
