"""The predictions of a classifier, and the images to predict."""

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
    """The prediction for one image: probabilities (K,), or None and the reason why it could not be read."""

    name: str
    probs: np.ndarray | None
    error: str = ""


class Classifier(Protocol):
    """A model that predicts the classes of images; see `Model`."""

    @property
    def task(self) -> Task: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def predictions(self, items: list[Item], *, workers: int = 2, batch: int = 256) -> Iterator[Prediction]: ...


def list_items(source: str | Path) -> list[Item]:
    """The images of a source to predict.

    Raises:
        DataError: the source does not exist, has no images, or cannot be read.
    """
    listing = list_images(str(source), role="predict")
    if listing.faults:
        raise DataError(listing.faults)
    return listing.items


def row_of(prediction: Prediction, classes: tuple[str, ...]) -> dict[str, Any]:
    """A row of the prediction table; numbers are None if the image could not be read."""
    row: dict[str, Any] = {"path": prediction.name, "label": "", "confidence": None}
    row |= {f"p_{name}": None for name in classes}
    if prediction.probs is not None:
        best = int(prediction.probs.argmax())
        row |= {"label": classes[best], "confidence": float(prediction.probs[best])}
        row |= {f"p_{name}": float(p) for name, p in zip(classes, prediction.probs, strict=True)}
    return row | {"error": prediction.error}
