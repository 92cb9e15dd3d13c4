"""PilePictures of images for a page: upright, and no larger than asked for."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from tutelage.core.errors import ConfigError, DataError
from tutelage.core.names import shown
from tutelage.core.regular import read_regular
from tutelage.curation.pile import Pile
from tutelage.data.images.items import Item, Unreadable
from tutelage.data.images.levels import Range
from tutelage.data.images.picture import jpeg_picture
from tutelage.data.images.reading import ImageFault, quiet_pillow

LARGEST = 1600  # pixels
_THUMBNAILS, _THUMBNAIL = 2000, 160  # kept in memory; their longest side in pixels


class PilePictures:
    """The pictures of a pile, by row; small ones are kept in memory."""

    def __init__(self, pile: Pile) -> None:
        self._pile = pile
        self._small = lru_cache(_THUMBNAILS)(self._made)

    def __call__(self, row: int, side: int) -> bytes:
        """See `picture`; `side` is in 1..1600.

        Raises:
            ConfigError: it is not.
        """
        if not 1 <= side <= LARGEST:
            raise ConfigError(f"expected a side in 1..{LARGEST}, got {side}")
        return self._small(row, side) if side <= _THUMBNAIL else self._made(row, side)

    def _made(self, row: int, side: int) -> bytes:
        return picture(self._pile.items[row], side, self._pile.framing.levels)


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
            return jpeg_picture(content, side, levels=levels)
    except OSError as error:
        raise DataError(f"{shown(item.place)} cannot be read: {error.strerror or error}") from None
    except ImageFault as fault:
        raise DataError(f"{shown(item.place)} {fault}") from None
