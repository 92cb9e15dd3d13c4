"""How much of large pools is read before training: which headers, which of the unlabeled images, and whose pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tutelage.config.data import DataConfig
from tutelage.core.errors import ConfigError, DataError
from tutelage.core.names import shown
from tutelage.core.seeding import derived_seed
from tutelage.data.images.items import ImageListing, Item, with_way_out
from tutelage.data.images.levels import Range
from tutelage.data.images.reader import Decoding, ImageReader
from tutelage.data.images.streamed import Rows, StreamedImages
from tutelage.data.images.survey import DIGEST, ImageLook, Looks
from tutelage.data.split import keep_labels

MANY = 100_000  # images, above which the headers of some tell the size of all
SOME = 2_000  # of them
LARGE = 16 << 30  # bytes of pixels that are decoded before training, which takes two minutes on one core
_POOL = ("train", "unlabeled")


@dataclass(frozen=True)
class Wanted:
    """What a training wants of its images: the settings of them, and whether it uses those without a label."""

    data: DataConfig
    unlabeled: bool = True


def some_headers(items: Sequence[Item], reader: ImageReader, levels: Range | None) -> Looks:
    """As `ImageReader.headers`; of more than 100,000 images, the headers of 2,000 evenly spaced ones."""
    if len(items) <= MANY:
        return reader.headers(items, levels)
    rows = np.linspace(0, len(items) - 1, SOME).astype(np.int64).tolist()
    looks: Looks = [ImageLook.unseen(0)] * len(items)
    for row, look in zip(rows, reader.headers([items[row] for row in rows], levels), strict=True):
        if isinstance(look, ImageLook):  # others may never be used
            looks[row] = look
    return looks


def draw_unlabeled(
    listings: Mapping[str, ImageListing], config: DataConfig, *, seed: int
) -> tuple[Mapping[str, ImageListing], list[str]]:
    """The listings with at most `data.unlabeled_count` images whose label is missing or not used, and what was done.

    Which ones depends on their names alone, so that runs with other seeds or labels read the same images. Labels that
    are not used are left out, too.

    Args:
        seed: of the labels that are kept, if `data.label_count` says how many.
    """
    count = config.unlabeled_count
    if count is None:
        return listings, []
    pool = [(role, place) for role in _POOL if role in listings for place in range(len(listings[role].items))]
    if len(pool) <= count:
        return listings, []
    kept = _kept(listings["train"], config, seed) if "train" in listings else set[int]()
    rest = [(role, place) for role, place in pool if role != "train" or place not in kept]
    if len(rest) <= count:
        return listings, []
    order = np.argsort([derived_seed(0, "pool", listings[role].items[place].name) for role, place in rest])
    chosen = {rest[k] for k in order[:count].tolist()}
    drawn = {}
    for role in _POOL:
        if role in listings:
            items = [
                item if place in kept and role == "train" else Item(item.name, None, item.store, item.key)
                for place, item in enumerate(listings[role].items)
                if (role == "train" and place in kept) or (role, place) in chosen
            ]
            drawn[role] = replace(listings[role], items=items)
    note = f"{count:,} of {len(rest):,} unlabeled images are used (data.unlabeled_count), drawn by their names"
    return {**listings, **drawn}, [note]


def _kept(train: ImageListing, config: DataConfig, seed: int) -> set[int]:
    """Places of the items whose label is used; all that have one if there are too few, which is a fault later."""
    index = {name: number for number, name in enumerate(train.classes)}
    labels = np.array([-1 if item.label is None else index.get(item.label, -1) for item in train.items], np.int64)
    names = [item.name for item in train.items]
    try:
        rows = keep_labels(
            labels, names, train.classes, count=config.label_count, balance=config.label_balance, seed=seed
        )
    except DataError:
        rows = np.flatnonzero(labels >= 0)
    return set(rows.tolist())


def to_stream(
    wanted: Wanted, items: Sequence[Item], headers: Looks, decoding: Decoding, reader: ImageReader
) -> tuple[Looks | None, list[str]]:
    """What is known of the training images if they are decoded as they are needed, and why; None if all are at once.

    Args:
        headers: of the items, as far as they were read.

    Raises:
        ConfigError: it is asked for, and a source cannot be read at any place.
    """
    stream, fixed = wanted.data.stream, next((item for item in items if not item.store.streams), None)
    if stream == "never" or (stream == "auto" and fixed is not None):
        return None, []
    if fixed is not None:
        raise ConfigError(
            f"data.stream 'always' needs image files or tar shards that are not compressed, got {shown(fixed.place)}"
        )
    if stream == "always":
        return headers, ["images are decoded each time they are used (data.stream)"]
    total = len(items) * decoding.channels * decoding.size**2
    fits = (total <= LARGE and reader.has_room(total)) or reader.holds(items, decoding)
    if not fits:
        return headers, [
            f"decoded, the {len(items):,} training images would take {math.ceil(total / 1e9):,} GB: they are decoded "
            "each time they are used (data.stream)"
        ]
    if wanted.unlabeled or (wanted.data.label_count is None and all(item.label is not None for item in items)):
        return None, []
    return reader.glance(items, headers), ["only images whose label is used are decoded"]


def hold_labeled(
    images: StreamedImages, kept: Rows, digests: Sequence[bytes], reader: ImageReader, *, skip: bool, notes: list[str]
) -> tuple[Rows, list[bytes]]:
    """The rows whose label is used, less those that cannot be read if these are skipped, and digests to find copies.

    Their pixels are kept in memory, or mapped from the cache, unless there is no room. Of rows that were not read,
    nothing is known: they are no copies.

    Args:
        kept: sorted rows.
        digests: of all rows, as far as they are known.
        notes: get those that are left out.

    Raises:
        DataError: some cannot be read.
    """
    digests = [digest if len(digest) == DIGEST else b"" for digest in digests]
    total = len(kept) * math.prod(images.shape[1:])
    if total > LARGE or not reader.has_room(total):
        for row in kept.tolist():
            digests[row] = row.to_bytes(8)
        return kept, digests
    items = [images.items[row] for row in kept.tolist()]
    looks, pixels = reader.read(items, images.decoding)
    found, faults = list[int](), list[str]()
    for row, item, look in zip(kept.tolist(), items, looks, strict=True):
        if isinstance(look, ImageLook):
            digests[row] = look.digest
            found.append(row)
        else:
            faults.append(f"{shown(item.place)} {look.reason}")
    if faults and not skip:
        raise DataError(with_way_out(faults))
    notes += [f"left out: {fault}" for fault in faults]
    rows = np.array(found, np.int64)
    images.hold(rows, pixels)
    return rows, digests
