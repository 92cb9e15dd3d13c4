"""A few images of a source, for a preview; nothing else is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tutelage.config.settings import DataConfig
from tutelage.core.errors import DataError
from tutelage.data.images.image_set import decode
from tutelage.data.images.size import choose_channels, choose_size
from tutelage.data.images.source import list_images
from tutelage.data.images.survey import ImageLook, read_headers

_UNKNOWN = 1  # pixels; no image can be read, and decoding will say so


def sample_images(config: DataConfig, count: int, *, workers: int = 1) -> tuple[NDArray[np.uint8], bool]:
    """Up to `count` evenly spaced training images, and whether they keep their class when mirrored.

    Size and channels are chosen as for a run, but from these images only.

    Returns:
        (n, C, size, size) uint8, and `flip_ok` of the source.

    Raises:
        DataError: with all faults of the listing, or of these images.
    """
    listing = list_images(config.path, config.labels, role="train")
    if listing.faults:
        raise DataError(listing.faults)
    places = np.linspace(0, len(listing.items) - 1, min(count, len(listing.items))).astype(np.int64)
    items = [listing.items[place] for place in places]
    looks = [look for look in read_headers(items, workers=workers) if isinstance(look, ImageLook)]
    size = choose_size(looks, config.image_size)[0] if looks else _UNKNOWN
    channels = choose_channels(looks)
    return decode(items, listing.classes, size=size, channels=channels, workers=workers).images, listing.flip_ok
