"""A pile with a label for each image, by a person or by the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tutelage.curation.labeling.answers import Answers
from tutelage.curation.labeling.belief import Belief
from tutelage.data.images.items import Item


@dataclass(frozen=True)
class SortedPile:
    """Images with their labels.

    Attributes:
        items: N images.
        classes: K names.
        label: (N,), -1 for none.
        human: (N,), whether a person gave the label.
        confidence: (N,) of the model in its labels.
    """

    items: Sequence[Item]
    classes: Sequence[str]
    label: NDArray[np.int64]
    human: NDArray[np.bool_]
    confidence: NDArray[np.float32]

    @staticmethod
    def of(items: Sequence[Item], answers: Answers, belief: Belief, *, model: bool) -> SortedPile:
        """As things stand; with the labels of the model for images that have no answer if `model` is set."""
        label = np.where(~answers.answered & model, belief.guess, answers.labels)
        return SortedPile(items, tuple(answers.classes), label, answers.labels >= 0, belief.confidence)

    def rows(self) -> Iterator[tuple[Item, str | None, bool, float | None]]:
        """Each image, its label, whether a person gave it, and the confidence of the model if it did."""
        for item, k, human, confidence in zip(self.items, self.label, self.human, self.confidence, strict=True):
            label = self.classes[k] if k >= 0 else None
            yield item, label, bool(human), None if human or label is None else round(float(confidence), 4)
