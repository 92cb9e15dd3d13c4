"""How an image of any shape becomes a square: cropped, padded or squashed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from tutelage.config.data import DataConfig
from tutelage.core.colors import over_white
from tutelage.core.names import counted
from tutelage.data.images.levels import Range
from tutelage.data.images.reading import ImageFault

Mode = Literal["crop", "pad", "squash"]
Filter = Literal["bicubic", "bilinear"]
Pixels = NDArray[np.uint8]  # (channels, size, size)


@dataclass(frozen=True, slots=True)
class Framing:
    """How images become squares of one size, with an antialiased filter.

    Attributes:
        mode: "crop" takes the centered square; "pad" keeps the whole image, and fills what is missing with its mean
            color; "squash" stretches the whole image.
        crop_share: side of the centered square, as a share of the shorter side; in (0, 1].
        interpolation: "bicubic" or "bilinear".
        levels: of images of more than 8 bits: the values that become black and white. None takes all that they could
            have.
        most_pixels: that an image may have in its file.
    """

    mode: Mode = "crop"
    crop_share: float = 1.0
    interpolation: Filter = "bicubic"
    levels: Range | None = None
    most_pixels: int = DataConfig.max_pixels

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
            data.intensity_range or None,
            data.max_pixels,
        )

    @property
    def key(self) -> str:
        """Part of the name of a cache file; it changes with the pixels."""
        levels = "".join(f"-{level:g}" for level in self.levels or ())
        return f"{self.mode}-{self.crop_share:g}-{self.interpolation}{levels}"

    def short_side(self, size: int) -> int:
        """Pixels that the shorter side of an image should have before it is resized to `size`."""
        return math.ceil(size / self.crop_share)

    def to_square(self, image: NDArray[np.uint8], size: int, channels: int) -> Pixels:
        """(channels, size, size) uint8 of an image (H, W) or (H, W, C) uint8.

        Color becomes gray and gray becomes color. Of four channels for gray or color, the fourth is alpha, over white.

        Raises:
            ImageFault: the image has another number of channels.
        """
        if image.ndim == 3 and image.shape[2] == 4 and channels in (1, 3):
            image = over_white(image)
        if channels == 1 and image.ndim == 3 and image.shape[2] == 3:
            image = np.asarray(Image.fromarray(image).convert("L"))
        has = image.shape[2] if image.ndim == 3 else 1
        if has != channels and not (has == 1 and channels == 3):
            raise ImageFault(f"has {counted(has, 'channel')}: expected {channels}")
        if image.shape[0] != image.shape[1] or self.crop_share < 1.0:
            image = {"crop": self._cropped, "pad": self._padded, "squash": self._resized}[self.mode](image, size)
        square = self._resized(image, size)
        if square.ndim == 3:
            return square.transpose(2, 0, 1)
        return np.broadcast_to(square, (channels, size, size))

    def _cropped(self, image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        side = max(1, round(min(width, height) * self.crop_share))
        left, top = (width - side) // 2, (height - side) // 2
        return image[top : top + side, left : left + side]

    def _padded(self, image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
        scale = size / max(image.shape[:2])
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        small = self._to_shape(image, height, width)
        square = np.empty((size, size, *image.shape[2:]), np.uint8)
        square[:] = np.rint(small.mean((0, 1)))
        left, top = (size - width) // 2, (size - height) // 2
        square[top : top + height, left : left + width] = small
        return square

    def _resized(self, image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
        return self._to_shape(image, size, size)

    def _to_shape(self, image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
        """Resized with an antialiased filter; levels differ from Pillow's by 2 at most."""
        if image.shape[:2] == (height, width):
            return image
        pixels = torch.from_numpy(np.require(image, requirements=["C", "W"]))
        batch = pixels[None, None] if image.ndim == 2 else pixels.permute(2, 0, 1)[None]  # channels come last in memory
        resized = F.interpolate(batch, (height, width), mode=self.interpolation, antialias=True)[0]
        return resized[0].numpy() if image.ndim == 2 else resized.permute(1, 2, 0).numpy()


FULL_CROP = Framing()
"""The largest centered square, bicubic."""
