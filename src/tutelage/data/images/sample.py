"""A few images of a source, for a preview; of the others, headers are read at most."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tutelage.config.data import DataConfig
from tutelage.core.errors import DataError
from tutelage.data.images.image_set import decode
from tutelage.data.images.parts import ImageInventory
from tutelage.data.images.reader import ImageReader
from tutelage.data.images.size import choose_channels, choose_framing, choose_size, framing_note, levels_note

_UNKNOWN = 1  # pixels; no image can be read, and decoding will say so


@dataclass(frozen=True)
class ImageSample:
    """Some training images, prepared as a run prepares them.

    Attributes:
        pixels: (n, C, size, size) uint8.
        classes: n names; None for an image without a label.
        flip_ok: whether mirrored images keep their class.
        notes: how images are prepared, one sentence each.
    """

    pixels: NDArray[np.uint8]
    classes: list[str | None]
    flip_ok: bool
    notes: list[str]


def sample_images(
    config: DataConfig, found: ImageInventory, count: int, *, reader: ImageReader | None = None
) -> ImageSample:
    """Up to `count` evenly spaced training images.

    Args:
        config: says how images are prepared.
        found: of `read_image_headers`; size and framing are chosen as for a run.

    Raises:
        DataError: with all faults of the listing, or of these images.
    """
    if "train" not in found.parts:
        raise DataError(found.faults)
    listing = found.parts["train"].listing
    if listing.faults:
        raise DataError(listing.faults)
    places = np.linspace(0, len(listing.items) - 1, min(count, len(listing.items))).astype(np.int64)
    items = [listing.items[place] for place in places]
    looks, reader = found.seen, reader or ImageReader()
    levels = reader.levels(config, found.items_of("train"), found.learned_looks)
    framing, channels = replace(choose_framing(looks, config), levels=levels), choose_channels(looks, config)
    size, note = choose_size(looks, config.image_size, framing.mode) if looks else (_UNKNOWN, "")
    notes = [note, framing_note(looks, framing), levels_note(looks, levels)]
    return ImageSample(
        decode(items, listing.classes, size=size, channels=channels, framing=framing, reader=reader).images[:],
        [item.label for item in items],
        listing.flip_ok,
        [said for said in notes if said is not None],
    )
