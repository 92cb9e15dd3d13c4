"""What operations know of a batch of images, and those of them that are tables: a new level for each level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from tutelage.augment.image_ops.blending import luma, mean_luma
from tutelage.augment.image_ops.filters import blur, smooth
from tutelage.augment.image_ops.tables import autocontrast_tables, equalize_tables


class Pixels:
    """Facts of a batch (B, C, H, W) uint8, each computed once, and only where it is used."""

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self._known: dict[str, Tensor] = {}

    def _once(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        if name not in self._known:  # not `cached_property`, whose lock no compiler takes
            self._known[name] = compute()
        return self._known[name]

    @property
    def planes(self) -> Tensor:
        """(B * C, P) int16; compiled for a CPU, the least of bytes comes out wrong (pytorch#191499)."""
        return self._once("planes", lambda: self.images.flatten(2).flatten(0, 1).to(torch.int16))

    @property
    def indices(self) -> Tensor:
        """(B * C, P) int64."""
        return self._once("indices", lambda: self.planes.long())

    @property
    def image(self) -> Tensor:
        """(B, C, H, W) float32."""
        return self._once("image", lambda: self.images.to(torch.float32))

    @property
    def luma(self) -> Tensor:
        """(B, 1, H, W) float32."""
        return self._once("luma", lambda: luma(self.image))

    @property
    def smooth(self) -> Tensor:
        """(B, C, H, W) float32 holding whole numbers; the border is that of the images."""
        return self._once("smooth", lambda: smooth(self.images).to(torch.float32))

    @property
    def blur(self) -> Tensor:
        """(B, C, H, W) float32 holding whole numbers; the border is that of the images."""
        return self._once("blur", lambda: blur(self.images).to(torch.float32))

    @property
    def level(self) -> Tensor:
        """(1, 1, 256) float32: all levels."""
        device = self.images.device
        return self._once("level", lambda: torch.arange(256, dtype=torch.float32, device=device).view(1, 1, 256))

    def tables(self, flat: Tensor) -> Tensor:
        """(B, C, 256) float32 of (B * C, 256)."""
        return flat.view(len(self.images), -1, 256).to(torch.float32)


# From a batch and float32 numbers (B, 1, 1) to (B or 1, C or 1, 256) float32, which is then clipped and truncated.
Table = Callable[[Pixels, Tensor], Tensor]


def toward(table: Table) -> Table:
    """A table on the way from the level itself to a table of whole levels, by the number."""
    return lambda pixels, v: mixed(pixels.level, table(pixels, v), v)


def mixed(start: Tensor, end: Tensor, factor: Tensor) -> Tensor:
    """Float32: start + factor * (end - start), summed as by `blending.mix`; nothing is overwritten."""
    return ((end - start) * factor).add_(start)


def _posterize(pixels: Pixels, bits: Tensor) -> Tensor:
    step = torch.pow(2.0, 8.0 - bits)
    return (pixels.level / step).floor_().mul_(step)


def _solarize(pixels: Pixels, threshold: Tensor) -> Tensor:
    return torch.where(pixels.level >= threshold.ceil(), 255 - pixels.level, pixels.level)


def _contrast(pixels: Pixels, factor: Tensor) -> Tensor:
    return mixed(mean_luma(pixels.luma).squeeze(3), pixels.level, factor)


TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "autocontrast": lambda pixels, v: pixels.tables(autocontrast_tables(pixels.planes)),
        "equalize": lambda pixels, v: pixels.tables(equalize_tables(pixels.planes, pixels.indices)),
        "invert": lambda pixels, v: 255 - pixels.level,
        "posterize": _posterize,
        "solarize": _solarize,
        "brightness": lambda pixels, v: pixels.level * v,
        "contrast": _contrast,
    }
)


def opaque(pixels: Pixels, v: Tensor) -> Tensor:
    """255 for each level: what an alpha channel becomes under an operation that drops it."""
    return torch.full_like(pixels.level, 255)
