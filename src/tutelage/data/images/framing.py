"""How an image of any shape becomes a square: cropped, padded or squashed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tutelage.config.settings import DataConfig

Mode = Literal["crop", "pad", "squash"]
Filter = Literal["bicubic", "bilinear"]
Pixels = NDArray[np.uint8]  # (channels, size, size)
FILTERS: dict[Filter, Image.Resampling] = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True, slots=True)
class Framing:
    """How images become squares of one size, with an antialiased filter.

    Attributes:
        mode: "crop" takes the centered square; "pad" keeps the whole image, and fills what is missing with its mean
            color; "squash" stretches the whole image.
        crop_share: side of the centered square, as a share of the shorter side; in (0, 1].
        interpolation: "bicubic" or "bilinear".
    """

    mode: Mode = "crop"
    crop_share: float = 1.0
    interpolation: Filter = "bicubic"

    @staticmethod
    def of(data: DataConfig, chosen: Mode = "crop") -> Framing:
        """The framing that settings name.

        Args:
            chosen: the mode where settings leave it open, and ask for no smaller crop. Runs from before it could be
                chosen crop.
        """
        auto: Mode = chosen if data.crop_share == 1.0 else "crop"
        return Framing(
            auto if data.resize == "auto" else data.resize,
            data.crop_share,
            "bicubic" if data.interpolation == "auto" else data.interpolation,
        )

    @property
    def key(self) -> str:
        """Part of the name of a cache file; it changes with the pixels."""
        return f"{self.mode}-{self.crop_share:g}-{self.interpolation}"

    def short_side(self, size: int) -> int:
        """Pixels that the shorter side of an image should have before it is resized to `size`."""
        return math.ceil(size / self.crop_share)

    def to_square(self, image: Image.Image, size: int, channels: int) -> Pixels:
        """(channels, size, size) uint8 of an image in mode L or RGB."""
        mode = "L" if channels == 1 else "RGB"
        if image.mode != mode:
            image = image.convert(mode)
        if image.width != image.height or self.crop_share < 1.0:
            image = {"crop": self._cropped, "pad": self._padded, "squash": self._resized}[self.mode](image, size)
        pixels = np.asarray(self._resized(image, size))
        return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)

    def _cropped(self, image: Image.Image, size: int) -> Image.Image:
        width, height = image.size
        side = max(1, round(min(width, height) * self.crop_share))
        left, top = (width - side) // 2, (height - side) // 2
        return image.crop((left, top, left + side, top + side))

    def _padded(self, image: Image.Image, size: int) -> Image.Image:
        scale = size / max(image.size)
        width, height = (max(1, round(side * scale)) for side in image.size)
        small = image if image.size == (width, height) else image.resize((width, height), FILTERS[self.interpolation])
        mean = np.rint(np.asarray(small).reshape(width * height, -1).mean(0)).astype(int).tolist()
        square = Image.new(image.mode, (size, size), mean[0] if len(mean) == 1 else tuple(mean))
        square.paste(small, ((size - width) // 2, (size - height) // 2))
        return square

    def _resized(self, image: Image.Image, size: int) -> Image.Image:
        return image if image.size == (size, size) else image.resize((size, size), FILTERS[self.interpolation])


FULL_CROP = Framing()
"""The largest centered square, bicubic."""
