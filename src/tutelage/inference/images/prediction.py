"""The predictions of a classifier: of one image, and of several as Python code looks at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tutelage.core.names import counted, shown
from tutelage.data.images.items import Item
from tutelage.inference.images.doubt import LIKE, NO_DOUBT, SETS, Doubt
from tutelage.inference.images.kept_blocks import Block
from tutelage.inference.images.passes import ImagePass
from tutelage.inference.images.prediction_page import MOST, predictions_html
from tutelage.tasks.base import Task

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 5  # rows of a repr
SET_SEPARATOR = "|"  # between the classes of a set, in tables


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image.

    Attributes:
        probs: (K,) probabilities; None if it could not be read.
        error: why it could not be read.
        more: what else is said of it, by column; see `Doubt`.
    """

    name: str
    probs: np.ndarray | None
    error: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


def predictions_of(
    items: Sequence[Item], blocks: Iterable[Block], classes: Sequence[str], doubt: Doubt = NO_DOUBT
) -> Iterator[Prediction]:
    """The prediction of each item, in order, whose blocks come."""
    rest = iter(items)
    for block in blocks:
        rows = zip(block.rows[:, : len(classes)], doubt.said(block.rows, classes), strict=True)
        for error in block.errors:
            probs, more = (None, {}) if error else next(rows)
            yield Prediction(next(rest).name, probs, error, more)


class Classifier(Protocol):
    """A model that predicts the classes of images; see `Model`."""

    @property
    def task(self) -> Task: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def image_pass(self, *, workers: int = 2, features: bool = False) -> ImagePass: ...


@dataclass(frozen=True, eq=False, repr=False)
class Predictions:
    """The predicted classes of some images, in the order of the images.

    Attributes:
        names: path of each image; `image 0`, `image 1`, ... of images in memory.
        classes: class names, in the order of the probabilities.
        probabilities: (N, K) float32, rows that sum to 1; NaN where an image could not be read.
        errors: why an image could not be read; "" where it was.
        more: what else is said of each image, by column; see `Model.predict`.
        pictured: the first images, if they are in files: notebooks show them.
    """

    names: list[str]
    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    errors: list[str]
    more: list[Mapping[str, Any]]
    pictured: tuple[Item, ...] = ()

    @staticmethod
    def of(predictions: Sequence[Prediction], classes: tuple[str, ...], items: Sequence[Item] = ()) -> Predictions:
        """Those of single images; `items` are the images, in the same order."""
        missing = np.full(len(classes), np.nan, np.float32)
        probs = [missing if one.probs is None else one.probs for one in predictions]
        return Predictions(
            [one.name for one in predictions],
            classes,
            np.stack(probs).astype(np.float32) if probs else np.zeros((0, len(classes)), np.float32),
            [one.error for one in predictions],
            [one.more for one in predictions],
            tuple(items[:MOST]) if all(item.store.lasting for item in items[:MOST]) else (),
        )

    @property
    def labels(self) -> list[str | None]:
        """The most probable class of each image; None where it could not be read."""
        return [
            None if error else self.classes[int(row.argmax())]
            for row, error in zip(self.probabilities, self.errors, strict=True)
        ]

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(N,) the probability of the predicted class."""
        best: NDArray[np.float32] = self.probabilities.max(1)
        return best

    @property
    def label_sets(self) -> list[tuple[str, ...] | None]:
        """The possible classes of each image, if a coverage was given; None where there are none."""
        return [one.get("label_set") for one in self.more]

    @property
    def unlike(self) -> list[bool | None]:
        """Whether each image is unlike those of training, if that was asked for; None where that is not known."""
        return [one.get("unlike") for one in self.more]

    @property
    def like(self) -> list[tuple[str, ...] | None]:
        """The names of the labeled training images that each image looks like most, if that was asked for."""
        return [one.get("like") for one in self.more]

    def to_frame(self) -> pd.DataFrame:
        """A table of `path, label, confidence, p_<class>..., error`, one row per image, and what else was asked."""
        import pandas as pd

        return pd.DataFrame([row_of(one, self.classes) for one in self])

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, place: int) -> Prediction:
        error = self.errors[place]
        return Prediction(self.names[place], None if error else self.probabilities[place], error, self.more[place])

    def __iter__(self) -> Iterator[Prediction]:
        return (self[place] for place in range(len(self)))

    def __repr__(self) -> str:
        lines = [f"Predictions of {counted(len(self), 'image')}, {len(self.classes)} classes"]
        for one, label in zip(list(self)[:_SHOWN], self.labels, strict=False):
            said = one.error if one.probs is None else f"{shown(str(label))}, {one.probs.max():.1%}"
            lines.append(f"  {shown(one.name)}: {said}")
        return "\n".join(lines + (["  ..."] if len(self) > _SHOWN else []))

    def _repr_html_(self) -> str:
        rows = []
        for one, label in zip(list(self)[:MOST], self.labels, strict=False):
            rows.append((one.name, "", one.error) if one.probs is None else (one.name, str(label), _percent(one.probs)))
        count = f"Predictions of {counted(len(self), 'image')}, {counted(len(self.classes), 'class', 'classes')}"
        return predictions_html(rows, self.pictured, count, len(self) - len(rows))


def _percent(probs: NDArray[np.float32]) -> str:
    return f"{float(probs.max()):.1%}"


def row_of(prediction: Prediction, classes: tuple[str, ...]) -> dict[str, Any]:
    """A row of the prediction table; numbers are None if the image could not be read."""
    row: dict[str, Any] = {"path": prediction.name, "label": "", "confidence": None}
    row |= {f"p_{name}": None for name in classes}
    if prediction.probs is not None:
        best = int(prediction.probs.argmax())
        row |= {"label": classes[best], "confidence": float(prediction.probs[best])}
        row |= {f"p_{name}": float(p) for name, p in zip(classes, prediction.probs, strict=True)}
    more = dict(prediction.more)
    for column in (SETS[0], LIKE):
        if column in more:
            more[column] = SET_SEPARATOR.join(more[column])
    return row | more | {"error": prediction.error}
