"""What a classifier says of images, and which images it is asked about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tutelage.core.errors import DataError
from tutelage.data.images.items import Item
from tutelage.data.images.source import list_images
from tutelage.tasks.base import Task


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image: its probabilities (K,), or None and why it could not be read."""

    name: str
    probs: np.ndarray | None
    error: str = ""


class Classifier(Protocol):
    """What predicts classes of images; see `Model`."""

    @property
    def task(self) -> Task: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def predictions(self, items: list[Item], *, workers: int = 2, batch: int = 256) -> Iterator[Prediction]: ...


def list_items(source: str | Path) -> list[Item]:
    """The images of a source to predict.

    Raises:
        DataError: there is no such source, no image in it, or it cannot be read as what it is.
    """
    listing = list_images(str(source), role="predict")
    if listing.faults:
        raise DataError(listing.faults)
    return listing.items


def row_of(prediction: Prediction, classes: tuple[str, ...]) -> dict[str, Any]:
    """A row of the table of predictions; numbers are None where the image could not be read."""
    row: dict[str, Any] = {"path": prediction.name, "label": "", "confidence": None}
    row |= {f"p_{name}": None for name in classes}
    if prediction.probs is not None:
        best = int(prediction.probs.argmax())
        row |= {"label": classes[best], "confidence": float(prediction.probs[best])}
        row |= {f"p_{name}": float(p) for name, p in zip(classes, prediction.probs, strict=True)}
    return row | {"error": prediction.error}
