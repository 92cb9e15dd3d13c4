"""What a probe learns from and is scored on: labeled images, and their features under one or more encoders."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.images.items import ImageListing, Item, Unreadable
from tutelage.data.images.source import list_image_splits, list_images
from tutelage.data.split import copies_of, hold_out
from tutelage.inference.images.encoder import Encoder

BLOCK = 256  # images in memory at a time
HELD_OUT = 0.2  # of the labels, where the data has no test images


@dataclass(frozen=True)
class Labeled:
    """Labeled images of one part.

    Attributes:
        label: (N,) int64.
        features: of each encoder (N, F) float32.
        digests: (N,) a hash of each image as the encoder takes it.
        pixels: (N, C, size, size) uint8, where they were asked for.
    """

    names: list[str]
    label: NDArray[np.int64]
    features: list[Tensor]
    digests: list[bytes]
    pixels: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, rows: NDArray[np.int64]) -> Labeled:
        """Some of them."""
        return Labeled(
            names=[self.names[row] for row in rows],
            label=self.label[rows],
            features=[features[rows] for features in self.features],
            digests=[self.digests[row] for row in rows],
            pixels=None if self.pixels is None else self.pixels[rows],
        )


@dataclass(frozen=True)
class Parts:
    """The labeled images of a source, before any is read; `test` is None where the source has none."""

    classes: tuple[str, ...]
    train: list[Item]
    test: list[Item] | None
    flip_ok: bool


def list_labeled(data: str, *, labels: str | None, test: str | None) -> Parts:
    """The labeled images to learn from, and those to score on: of `test`, or of the split `test` of the source.

    Raises:
        DataError: with all faults: nothing is labeled, there is one class, or a test image has an unknown class.
    """
    splits = list_image_splits(data, labels)
    train = splits.get("train") or list_images(data, labels, role="train")  # which says what there is instead
    scored = list_images(test, role="test") if test is not None else splits.get("test")
    faults = [*train.faults, *([] if scored is None else scored.faults)]
    items = _with_label(train)
    if not faults and len(train.classes) < 2:
        faults.append(f"{shown(data)} must have labeled images of two or more classes to probe with")
    faults += [
        f"{shown(data)}: class '{shown(name)}' has no labeled image"
        for name in train.classes
        if not faults and all(item.label != name for item in items)
    ]
    known = set(train.classes)
    if scored is not None and not faults:
        unknown = sorted({str(item.label) for item in _with_label(scored)} - known)
        if unknown:
            faults.append(
                f"{shown(scored.where)}: the class '{shown(unknown[0])}' of the test images is no class of the others"
            )
        elif not _with_label(scored):
            faults.append(f"{shown(scored.where)}: the test images have no labels")
    if faults:
        raise DataError(faults)
    return Parts(train.classes, items, None if scored is None else _with_label(scored), train.flip_ok)


def _with_label(listing: ImageListing) -> list[Item]:
    return [item for item in listing.items if item.label is not None]


def read_labeled(
    items: Sequence[Item],
    classes: Sequence[str],
    encoders: Sequence[Encoder],
    *,
    workers: int,
    keep_pixels: bool = False,
) -> Labeled:
    """Read images once and compute the features of each encoder; a few hundred images are in memory at a time.

    Raises:
        DataError: images that cannot be read, all of them.
    """
    index = {name: number for number, name in enumerate(classes)}
    stream = encoders[0].read(items, workers=workers)
    features: list[list[Tensor]] = [[] for _ in encoders]
    kept: list[NDArray[np.uint8]] = []
    faults: list[str] = []
    digests: list[bytes] = []
    for start in range(0, len(items), BLOCK):
        good = []
        for item, image in zip(items[start : start + BLOCK], islice(stream, BLOCK), strict=False):
            if isinstance(image, Unreadable):
                faults.append(f"{shown(item.place)} {image.reason}")
            else:
                good.append(image)
                digests.append(hashlib.blake2b(image.tobytes(), digest_size=16).digest())
        if faults:
            continue  # the others are looked at too, so that all faults are told
        block = np.stack(good)
        for encoder, parts in zip(encoders, features, strict=True):
            parts.append(encoder.features(block))
        if keep_pixels:
            kept.append(block)
    if faults:
        raise DataError(faults)
    return Labeled(
        names=[item.name for item in items],
        label=np.array([index[str(item.label)] for item in items], np.int64),
        features=[torch.cat(parts) for parts in features],
        digests=digests,
        pixels=np.concatenate(kept) if keep_pixels else None,
    )


def split_off_test(labeled: Labeled, classes: Sequence[str]) -> tuple[Labeled, Labeled]:
    """What is learned from, and a fifth of the labels to score on, the same for all seeds; see `hold_out`.

    The second is empty, and the first all, where there are too few.
    """
    rows = np.arange(len(labeled))
    held = hold_out(rows, labeled.label, labeled.names, len(classes), share=HELD_OUT, seed=0, digests=labeled.digests)
    left = np.setdiff1d(rows, np.union1d(held, copies_of(held, labeled.digests)))
    return labeled.rows(left), labeled.rows(held)
