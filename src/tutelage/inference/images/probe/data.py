"""The data of a probe: labeled images, and their features under one or more encoders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tutelage.core.console import warn
from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.images.items import ImageListing, Item, Unreadable
from tutelage.data.images.source import list_image_splits, list_images
from tutelage.data.split import copies_of, hold_out
from tutelage.inference.images.encoder import Encoder

BLOCK = 256  # images in memory at a time
HELD_OUT = 0.2  # fraction of the labels, if the data has no test images


@dataclass(frozen=True)
class LabeledFeatures:
    """Labeled images of one part of the data.

    Attributes:
        label: (N,) int64.
        features: (N, F) float32 for each encoder.
        digests: (N,) hash of each image as prepared for the encoder.
        pixels: (N, C, size, size) uint8, if requested.
    """

    names: list[str]
    label: NDArray[np.int64]
    features: list[Tensor]
    digests: list[bytes]
    pixels: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, rows: NDArray[np.int64]) -> LabeledFeatures:
        """The images with the given indices."""
        return LabeledFeatures(
            names=[self.names[row] for row in rows],
            label=self.label[rows],
            features=[features[rows] for features in self.features],
            digests=[self.digests[row] for row in rows],
            pixels=None if self.pixels is None else self.pixels[rows],
        )


@dataclass(frozen=True)
class Parts:
    """The labeled images of a source, not yet read; `test` is None if there are no test images."""

    classes: tuple[str, ...]
    train: list[Item]
    test: list[Item] | None
    flip_ok: bool


def list_labeled(data: str, *, labels: str | None, test: str | None, tell: Callable[[str], None] = warn) -> Parts:
    """The labeled images to train on, and those to score on: from `test`, or from the test split of the source.

    Args:
        tell: receives one line on each kind of file that is left out.

    Raises:
        DataError: lists all problems: no labels, only one class, or a test image with an unknown class.
    """
    splits = list_image_splits(data, labels)
    train = splits.get("train") or list_images(data, labels, role="train")  # reports what is there instead
    scored = list_images(test, role="test") if test is not None else splits.get("test")
    faults = [*train.faults, *([] if scored is None else scored.faults)]
    items = _with_label(train)
    if not faults and len(train.classes) < 2:
        faults.append(f"{shown(data)} must have labeled images of at least two classes for a probe")
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
                f"{shown(scored.where)}: the class '{shown(unknown[0])}' of the test images has no training images"
            )
        elif not _with_label(scored):
            faults.append(f"{shown(scored.where)}: the test images have no labels")
    if faults:
        raise DataError(faults)
    for warning in [*train.warnings, *([] if scored is None else scored.warnings)]:
        tell(f"warning: {warning}")
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
) -> LabeledFeatures:
    """Read each image once and compute its features with each encoder, a few hundred images at a time.

    Raises:
        DataError: lists all images that cannot be read.
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
            continue  # keep reading, so that all unreadable images are reported
        block = np.stack(good)
        for encoder, parts in zip(encoders, features, strict=True):
            parts.append(encoder.features(block))
        if keep_pixels:
            kept.append(block)
    if faults:
        raise DataError(faults)
    return LabeledFeatures(
        names=[item.name for item in items],
        label=np.array([index[str(item.label)] for item in items], np.int64),
        features=[torch.cat(parts) for parts in features],
        digests=digests,
        pixels=np.concatenate(kept) if keep_pixels else None,
    )


def split_off_test(labeled: LabeledFeatures, classes: Sequence[str]) -> tuple[LabeledFeatures, LabeledFeatures]:
    """The images to train on, and a fifth of the labels to score on, the same for all seeds; see `hold_out`.

    If there are too few labels, the first part contains all of them and the second is empty.
    """
    rows = np.arange(len(labeled))
    held = hold_out(rows, labeled.label, labeled.names, len(classes), share=HELD_OUT, seed=0, digests=labeled.digests)
    left = np.setdiff1d(rows, np.union1d(held, copies_of(held, labeled.digests)))
    return labeled.rows(left), labeled.rows(held)
