"""Features of images, each by itself: those that are cached, and those of images that are decoded for them."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tutelage.core.cache_folder import cache_folder
from tutelage.core.names import counted, shown
from tutelage.curation.encoding import Encoding
from tutelage.data.images.feature_store import FeatureStore
from tutelage.data.images.framing import Pixels
from tutelage.data.images.image_cache import VERSION
from tutelage.data.images.items import Item, Unreadable
from tutelage.data.images.reading import Size
from tutelage.data.images.survey import ImageLook, read_digests, read_pixels, read_views

_BLOCK = 256  # images in memory at a time
_SHOWN = 5  # unreadable images that are named


class Watcher(Protocol):
    """Sees images while they are decoded for their features, so that they need not be decoded again.

    Attributes:
        side: of the squares to see, in pixels.
    """

    side: int

    def prepare(self, sizes: Sequence[Size], most: int) -> None:
        """Choose a side of `most` pixels or fewer, by (width, height) of all images of the pile."""
        ...

    def see(self, item: Item, look: ImageLook, pixels: Pixels) -> None:
        """An image: what it is, with a thumbnail, and its pixels (C, side, side), cropped."""
        ...

    def miss(self, item: Item, why: Unreadable) -> None:
        """An image that cannot be read."""
        ...


def raw_features(
    items: Sequence[Item], encoding: Encoding, watcher: Watcher | None, *, workers: int, console: Console
) -> tuple[list[Item], NDArray[np.float32]]:
    """The images that can be decoded, and what the first step of `encoding` gives of them, (N, F).

    Args:
        watcher: sees all images; without one, only those are decoded whose features are not cached.
    """
    digests = read_digests(items, workers=max(workers, 1))
    store = _store(encoding)
    known = {} if store is None else store.get([digest for digest in digests if isinstance(digest, bytes)])
    faults: dict[int, Unreadable] = {row: fault for row, fault in enumerate(digests) if isinstance(fault, Unreadable)}
    missing = [row for row, digest in enumerate(digests) if row not in faults and digest not in known]
    wanted = missing if watcher is None else [row for row in range(len(items)) if row not in faults]
    if missing:
        console.print(f"- computing {encoding.described}, of {counted(len(missing), 'image')}", markup=False)
    begin = time.perf_counter()
    stream = _decoded([items[row] for row in wanted], encoding, watcher, frozenset(known), workers=workers)
    for start in range(0, len(wanted), _BLOCK):
        block = list(zip(wanted[start : start + _BLOCK], islice(stream, _BLOCK), strict=True))
        faults |= {row: image for row, image in block if isinstance(image, Unreadable)}
        fresh = [(row, image) for row, image in block if isinstance(image, np.ndarray)]
        if not fresh:
            continue
        raw = encoding.raw(np.stack([image for _, image in fresh]))
        found = {bytes(digests[row]): out for (row, _), out in zip(fresh, raw, strict=True)}  # type: ignore[arg-type]
        if store is not None:
            store.put(found.items())
        known |= found
    if missing:
        console.print(f"- that took {time.perf_counter() - begin:.0f} s")
    warn_of_unreadable(items, [faults.get(row) for row in range(len(items))], console)
    left = [row for row in range(len(items)) if row not in faults]
    rows = [known[digest] for row in left if isinstance(digest := digests[row], bytes)]
    if watcher is not None:
        for row, fault in faults.items():
            watcher.miss(items[row], fault)
    return [items[row] for row in left], np.stack(rows) if rows else np.zeros((0, encoding.width), np.float32)


def warn_of_unreadable(items: Sequence[Item], found: Sequence[object], console: Console) -> None:
    """Name the images that cannot be read."""
    bad = [(item, look) for item, look in zip(items, found, strict=True) if isinstance(look, Unreadable)]
    for item, look in bad[:_SHOWN]:
        console.print(f"- left out: {shown(item.place)} {look.reason}", markup=False)
    if len(bad) > _SHOWN:
        console.print(f"- and {len(bad) - _SHOWN} more that cannot be read")


def _decoded(
    items: Sequence[Item], encoding: Encoding, watcher: Watcher | None, known: Container[bytes], *, workers: int
) -> Iterator[Pixels | Unreadable | None]:
    """The pixels of images as `encoding` takes them; a watcher sees them on the way.

    Args:
        known: digests of images that only the watcher is to see.
    """
    size, channels, framing = encoding.size, encoding.channels, encoding.framing
    if watcher is None:
        yield from read_pixels(items, size=size, channels=channels, framing=framing, workers=max(workers, 1))
        return
    views = read_views(
        items, size=size, channels=channels, framing=framing, other=watcher.side, known=known, workers=max(workers, 1)
    )
    for item, found in zip(items, views, strict=True):
        if isinstance(found, Unreadable):
            yield found
            continue
        look, pixels, other = found
        watcher.see(item, look, other)
        yield pixels


def _store(encoding: Encoding) -> FeatureStore | None:
    if encoding.key is None:
        return None
    name = f"files-{VERSION}-{encoding.key}-{encoding.size}x{encoding.channels}-{encoding.framing.key}.sqlite"
    return FeatureStore(cache_folder() / "features" / name, encoding.width)
