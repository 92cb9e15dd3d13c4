"""Predictions of a run on some of its images: scored ones, and unlabeled ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tutelage.core.errors import DataError, TutelageError
from tutelage.data.images.framing import FULL_CROP, Framing
from tutelage.data.images.inventory import list_image_parts
from tutelage.data.images.items import ImageListing, Item, Unreadable
from tutelage.data.images.parts import names_hash
from tutelage.data.images.survey import read_pixels
from tutelage.inference.images.model import Model
from tutelage.inference.images.prediction import Prediction
from tutelage.run.run_record import RunRecord

MOST = 2000  # images of each kind to predict for a report
PATIENCE = 20.0  # seconds for predicting; a large network on a slow machine gets fewer images
_TRIAL = 32


@dataclass(frozen=True)
class Examples:
    """Images of one kind and the predictions of a model.

    Attributes:
        items: n images, in the order of their listing.
        probs: (n, K) float32.
        label: (n,) int64, the given class, -1 for no label.
        total: number of images that there are, of which these n are evenly spaced.
        size, channels, framing: of the images as the network sees them.
    """

    items: list[Item]
    probs: np.ndarray
    label: np.ndarray
    total: int
    size: int
    channels: int
    framing: Framing = FULL_CROP

    def __len__(self) -> int:
        return len(self.items)

    @property
    def predicted(self) -> np.ndarray:
        """(n,) the most probable class."""
        return self.probs.argmax(1)

    @property
    def confidence(self) -> np.ndarray:
        """(n,) its probability."""
        return self.probs.max(1)

    @property
    def said(self) -> str:
        """How many of the images were predicted, in words."""
        return f"{len(self):,}" if len(self) == self.total else f"{len(self):,} of {self.total:,} (evenly spaced)"

    def images(self, rows: Sequence[int]) -> list[np.ndarray]:
        """Some of the images, read again: (C, size, size) uint8 each."""
        order = sorted(set(rows))  # a source is read in order
        chosen = [self.items[row] for row in order]
        pixels = read_pixels(chosen, size=self.size, channels=self.channels, framing=self.framing)
        blank = np.zeros((self.channels, self.size, self.size), np.uint8)
        read = {row: blank if isinstance(p, Unreadable) else p for row, p in zip(order, pixels, strict=True)}
        return [read[row] for row in rows]


@dataclass(frozen=True)
class Looked:
    """Examples of both kinds and the images whose labels the run learned from, or why they are missing."""

    scored: Examples | None = None
    scored_part: str = ""
    unlabeled: Examples | None = None
    labeled: Sequence[Item] = ()
    missing: str = ""


def look_at(record: RunRecord, *, device: str = "auto", most: int = MOST, patience: float = 1.0) -> Looked:
    """Examples of a run: its validation images if there are any, else its test images; and its unlabeled images.

    If the data is gone or has changed, or the weights are gone, `missing` says so.
    """
    try:
        listings = list_image_parts(record.cfg.data, needs_labels=not record.pretrained)
        for role, listing in listings.items():
            if listing.faults:
                raise DataError(listing.faults)
            _refuse_changed(record, role, listing)
        model = Model.load(record.path, device=device)
        part, items = _scored_items(record, listings)
        learned = set(record.split["labeled"])
        return Looked(
            scored=predict_examples(model, items, most=most, patience=patience),
            scored_part=part,
            unlabeled=predict_examples(model, _unlabeled_items(record, listings), most=most, patience=patience),
            labeled=[item for item in listings["train"].items if item.name in learned],
        )
    except TutelageError as error:
        return Looked(missing=str(error))


def predict_examples(
    model: Model, items: Sequence[Item], *, most: int = MOST, patience: float = 1.0
) -> Examples | None:
    """Predictions on up to `most` evenly spaced `items`, as many as take about `patience` times `PATIENCE` seconds."""
    chosen = spaced(items, min(most, _affordable(model, items, patience)))
    return examples_of(model, chosen, list(model.predictions(chosen)), total=len(items))


def _affordable(model: Model, items: Sequence[Item], patience: float) -> int:
    """How many of the images can be predicted in `patience` times `PATIENCE` seconds, measured on a few."""
    few = spaced(items, _TRIAL)
    if len(items) == len(few):
        return len(items)
    list(model.predictions(few[:2]))  # warm-up
    begin = time.perf_counter()
    list(model.predictions(few))
    return max(_TRIAL, int(patience * PATIENCE * len(few) / (time.perf_counter() - begin)))


def spaced(items: Sequence[Item], count: int) -> list[Item]:
    """Up to `count` of the items, evenly spaced."""
    return [items[k] for k in np.linspace(0, len(items) - 1, min(count, len(items))).astype(int)]


def examples_of(
    model: Model, items: Sequence[Item], predictions: Sequence[Prediction], *, total: int
) -> Examples | None:
    """Examples from given predictions; images that could not be read are skipped."""
    index = {name: number for number, name in enumerate(model.classes)}
    read = [(item, p.probs) for item, p in zip(items, predictions, strict=True) if p.probs is not None]
    if not read:
        return None
    return Examples(
        items=[item for item, _ in read],
        probs=np.stack([probs for _, probs in read]),
        label=np.array([index.get(str(item.label), -1) for item, _ in read], np.int64),
        total=total,
        size=model.image_size,
        channels=model.channels,
        framing=model.framing,
    )


def _scored_items(record: RunRecord, listings: dict[str, ImageListing]) -> tuple[str, list[Item]]:
    held_out = set(record.split["held_out"])
    if held_out:
        return "validation", [item for item in listings["train"].items if item.name in held_out]
    part = "val" if "val" in listings else "test"
    items = [item for item in listings[part].items if item.label is not None] if part in listings else []
    return {"val": "validation"}.get(part, part), items


def _unlabeled_items(record: RunRecord, listings: dict[str, ImageListing]) -> list[Item]:
    known = {*record.split["labeled"], *record.split["held_out"]}
    own = [item for item in listings["train"].items if item.name not in known]
    further = listings["unlabeled"].items if "unlabeled" in listings else []
    return [Item(item.name, None, item.store, item.key) for item in (*own, *further)]


def _refuse_changed(record: RunRecord, role: str, listing: ImageListing) -> None:
    """Raise unless the names of the images are those of the run; their contents are not read again."""
    facts = record.data.get("parts", {}).get(role)
    if record.cfg.data.skip_unreadable:  # which images were skipped is not known without reading all of them
        return
    if facts is None or facts["names"] != names_hash(item.name for item in listing.items):
        raise DataError(f"the {role} images are not those that the run was trained with: their names differ")
