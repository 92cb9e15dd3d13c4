"""Galleries of images worth looking at: confident mistakes, and unlabeled images with low confidence."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tutelage.core.colors import as_rgb
from tutelage.core.names import shown
from tutelage.results.report.blocks import Gallery, Thumbnail
from tutelage.results.report.examples import Examples

SHOWN = 12
_LARGEST = 112  # pixels, longest side of a thumbnail
_TILE, _GAP, _COLUMNS = 96, 8, 6  # of a sheet


def confident_mistakes(examples: Examples, classes: tuple[str, ...], name: str) -> Gallery:
    """The misclassified images with the highest confidence."""
    wrong = np.flatnonzero((examples.label >= 0) & (examples.predicted != examples.label))
    rows = wrong[np.argsort(-examples.confidence[wrong], kind="stable")][:SHOWN].tolist()
    made = []
    for row, image in zip(rows, examples.images(rows), strict=True):
        lines = (
            said_class(classes[examples.predicted[row]], examples.confidence[row]),
            f"given: {shown(classes[examples.label[row]])}",
            shown(examples.items[row].name),
        )
        made.append(Thumbnail(thumbnail(image), lines))
    return Gallery(name, tuple(made))


def least_certain(examples: Examples, classes: tuple[str, ...], name: str) -> Gallery:
    """The images with the lowest confidence, with their two most probable classes."""
    rows = np.argsort(examples.confidence, kind="stable")[:SHOWN].tolist()
    made = []
    for row, image in zip(rows, examples.images(rows), strict=True):
        probs = examples.probs[row]
        first, second = np.argsort(-probs, kind="stable")[:2]
        lines = (
            said_class(classes[first], probs[first]),
            f"or {said_class(classes[second], probs[second])}",
            shown(examples.items[row].name),
        )
        made.append(Thumbnail(thumbnail(image), lines))
    return Gallery(name, tuple(made))


def said_class(name: str, prob: float) -> str:
    """A class and its probability, in words."""
    return f"{shown(name)} ({100 * prob:.0f}%)"


def thumbnail(image: np.ndarray) -> bytes:
    """A small PNG of an image (C, H, W) uint8; see `as_rgb`."""
    picture = Image.fromarray(as_rgb(image))
    picture.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
    return _png(picture)


def sheet(gallery: Gallery) -> bytes:
    """All pictures of a gallery as one PNG, six per row, for Markdown reports."""
    rows = -(-len(gallery.thumbnails) // _COLUMNS)
    step = _TILE + _GAP
    paper = Image.new("RGB", (_GAP + step * min(_COLUMNS, len(gallery.thumbnails)), _GAP + step * rows), "white")
    for number, each in enumerate(gallery.thumbnails):
        with Image.open(io.BytesIO(each.png)) as picture:
            tile = picture.resize((_TILE, _TILE), Image.Resampling.NEAREST)
        paper.paste(tile, (_GAP + step * (number % _COLUMNS), _GAP + step * (number // _COLUMNS)))
    return _png(paper)


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()
