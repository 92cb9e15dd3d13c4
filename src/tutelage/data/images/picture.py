"""An image as a picture for a page: upright, of colors that a browser shows, and no larger than asked for."""

from __future__ import annotations

import io
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from tutelage.config.data import DataConfig
from tutelage.core.colors import as_rgb
from tutelage.data.images.channels import as_seen
from tutelage.data.images.levels import Range
from tutelage.data.images.reading import decode_image

_QUALITY = 88


def jpeg_picture(
    content: bytes | NDArray[Any], side: int, *, levels: Range | None = None, most: int = DataConfig.max_pixels
) -> bytes:
    """The image in a file or array as JPEG, upright, its longest side `side` pixels, or less if it is smaller.

    Args:
        levels, most: as in `decode_image`.

    Raises:
        ImageFault: the content cannot be decoded, or has more pixels.
    """
    at_least = -(-side // 2)  # a JPEG file is decoded at twice that, at least
    found, _, mode = decode_image(content, at_least=at_least, levels=levels, most=most)
    pixels = as_seen(found, mode)
    if pixels.shape[2:] not in ((), (3,)):
        pixels = as_rgb(pixels.transpose(2, 0, 1))
    image, stream = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    image.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
