"""Pictures of images for a page: upright, and no larger than asked for."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.core.regular import read_regular
from tutelage.data.images.items import Item, Unreadable
from tutelage.data.images.levels import Range
from tutelage.data.images.reading import ImageFault, decode_image, quiet_pillow

LARGEST = 1600  # pixels
_QUALITY = 88


def picture(item: Item, side: int, levels: Range | None = None) -> bytes:
    """The image as JPEG, upright, its longest side `side` pixels, or less if it is smaller.

    Args:
        levels: as in `decode_image`.

    Raises:
        DataError: it cannot be read any more.
    """
    content = next(iter(item.store.read([item.key])))
    try:
        if isinstance(content, Path):
            content = read_regular(content)
        if isinstance(content, Unreadable):
            raise DataError(f"{shown(item.place)} {content.reason}")
        with quiet_pillow():
            pixels, _, _ = decode_image(content, at_least=-(-side // 2), levels=levels)  # JPEG: at twice that, at least
    except OSError as error:
        raise DataError(f"{shown(item.place)} cannot be read: {error.strerror or error}") from None
    except ImageFault as fault:
        raise DataError(f"{shown(item.place)} {fault}") from None
    image, stream = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((min(side, LARGEST), min(side, LARGEST)), Image.Resampling.LANCZOS)
    image.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
