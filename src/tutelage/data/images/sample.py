"""A few images of a source, to look at: nothing else of it is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tutelage.config.settings import DataConfig
from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.images.dataset import choose_size
from tutelage.data.images.reading import is_gray
from tutelage.data.images.source import list_images
from tutelage.data.images.survey import ImageLook, decode, survey_images


def sample_images(config: DataConfig, count: int, *, workers: int = 1) -> tuple[NDArray[np.uint8], bool]:
    """Up to `count` evenly spaced training images, and whether they keep their class when mirrored.

    Size and channels are decided as for a run, but from these images alone.

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
    looks, faults = [], []
    for item, look in zip(items, survey_images(items, workers=workers), strict=True):
        if isinstance(look, ImageLook):
            looks.append(look)
        else:
            faults.append(f"{shown(item.place)} {look.reason}")
    if faults:
        raise DataError(faults)
    size, _ = choose_size(looks, config.image_size)
    channels = 1 if all(is_gray(look.mode) for look in looks) else 3
    return decode(items, listing.classes, size=size, channels=channels, workers=workers).images, listing.flip_ok
