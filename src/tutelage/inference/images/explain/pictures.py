"""An image beside its heat map, as a picture."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tutelage.core.colors import as_rgb

SIDE = 256  # pixels, at least, of each half of a picture
THUMBNAIL = 144  # pixels, of each half of a small one
_GAP = 4
_STRENGTH = 0.75  # of the color, where the map is 1
_COLORS = "inferno"


def overlay(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(S, S, 3) of an image (C, S, S) under its map (S, S) in [0, 1]: the image in gray, the map in color on it.

    Where the map is 0 the image is left as it is, but gray.
    """
    from matplotlib import colormaps

    gray = np.asarray(Image.fromarray(as_rgb(image)).convert("L"), np.float64)[..., None]
    color = colormaps[_COLORS](heat)[..., :3] * 255.0
    weight = _STRENGTH * heat[..., None].astype(np.float64)
    mixed: NDArray[np.uint8] = np.rint((1.0 - weight) * gray + weight * color).astype(np.uint8)
    return mixed


def pair(image: NDArray[np.uint8], heat: NDArray[np.float32], side: int = SIDE) -> Image.Image:
    """An image (C, S, S) on the left, and on the right with its map (S, S) on it; each `side` pixels or larger."""
    size = max(side, image.shape[-1])
    filter_ = Image.Resampling.BICUBIC if image.shape[-1] >= side // 4 else Image.Resampling.NEAREST
    paper = Image.new("RGB", (2 * size + _GAP, size), "white")
    for place, pixels in enumerate((as_rgb(image), overlay(image, heat))):
        paper.paste(Image.fromarray(pixels).resize((size, size), filter_), (place * (size + _GAP), 0))
    return paper


def thumbnail_of(picture: Image.Image) -> Image.Image:
    """A pair in small: twice as wide as high, without a gap."""
    size, small = picture.height, (THUMBNAIL, THUMBNAIL)
    paper = Image.new("RGB", (2 * THUMBNAIL, THUMBNAIL))
    for place, left in enumerate((0, picture.width - size)):
        half = picture.crop((left, 0, left + size, size)).resize(small, Image.Resampling.LANCZOS)
        paper.paste(half, (place * THUMBNAIL, 0))
    return paper


def png(picture: Image.Image) -> bytes:
    """A picture as a PNG file."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def jpeg(picture: Image.Image) -> bytes:
    """A picture as a JPEG file, for pages."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=88)
    return stream.getvalue()
