"""What image operations take: batches of uint8 or float images, with one number for each row, and colors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

import torch
from torch import Tensor

from tutelage.augment.view import ImageShape
from tutelage.config.data import MOST_CHANNELS
from tutelage.core.precision import at_least_float32

FLOATS = frozenset((torch.float16, torch.bfloat16, torch.float32, torch.float64))
P = ParamSpec("P")


def check_images(images: Tensor) -> ImageShape:
    """The shape of one image of a (B, C, H, W) uint8 batch with C in 1 to 16.

    Raises:
        TypeError: `images` is not a uint8 tensor.
        ValueError: it has another shape, or another number of channels.
    """
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a uint8 tensor (B, C, H, W), got {type(images).__name__}")
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be uint8 with values 0 to 255, got {images.dtype}; standardize after augmenting")
    if images.dim() != 4:
        raise ValueError(f"images must have the shape (B, C, H, W), got {tuple(images.shape)}")
    channels, height, width = images.shape[1:]
    if not 1 <= channels <= MOST_CHANNELS:
        raise ValueError(f"images must have 1 to {MOST_CHANNELS} channels, got {channels}: {tuple(images.shape)}")
    if height < 1 or width < 1:
        raise ValueError(f"images must have at least one pixel, got the shape {tuple(images.shape)}")
    return ImageShape(channels, height, width)


def check_rows(images: Tensor, numbers: Tensor, name: str) -> None:
    """Raise ValueError unless `numbers` has one entry per image and is on the CPU or on the device of the images."""
    if numbers.dim() < 1 or numbers.shape[0] != images.shape[0]:
        raise ValueError(
            f"{name} must have one entry for each of the {images.shape[0]} images, got the shape {tuple(numbers.shape)}"
        )
    if numbers.device.type != "cpu" and numbers.device != images.device:
        raise ValueError(f"{name} must be on the CPU or on {images.device} like the images, got {numbers.device}")


def per_row(values: Tensor, images: Tensor, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """(B,) numbers as (B, 1, 1, 1) of `dtype` on the images' device.

    Raises:
        ValueError: there is not one number for each image.
    """
    check_rows(images, values, name)
    return values.to(device=images.device, dtype=dtype, non_blocking=True).view(-1, 1, 1, 1)


def to_levels(images: Tensor) -> Tensor:
    """Float images in [0, 1] as uint8, rounded to the nearest of 256 levels.

    Values outside [0, 1] are clipped and NaN is black: to raise would wait for the device.
    """
    levels = at_least_float32(images) * 255
    return levels.nan_to_num_(nan=0.0).clamp_(0, 255).round_().to(torch.uint8)


def from_levels(levels: Tensor, dtype: torch.dtype) -> Tensor:
    """Level / 255, rounded to the float type once; `to_levels` of it gives the levels back."""
    return (levels.double() if dtype == torch.float64 else levels.float()).div_(255).to(dtype)


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


def fill_color(images: Tensor, levels: tuple[int, ...]) -> Tensor:
    """(C, 1, 1) uint8: one level for each channel of `images` (B, C, H, W), on their device.

    Written there level by level: copying a list to a GPU would wait for it.

    Raises:
        ValueError: there are more or fewer levels than channels.
    """
    if len(levels) != images.shape[1]:
        raise ValueError(f"fill must have one level for each of {images.shape[1]} channels, got {levels}")
    return torch.stack([images.new_full((1, 1), level) for level in levels])
