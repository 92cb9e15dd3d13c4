"""The score that runs are compared by, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Headline:
    """A score in [0, 1], of which more is better.

    Attributes:
        key: its name in the metrics; `Task.headline`.
        words: its name in a sentence.
        plural: its name for several values, as a heading.
        item: what one is scored on, in the singular.
        pool: what a method learns from without labels, in the plural.
    """

    key: str
    words: str
    plural: str
    item: str = "image"
    pool: str = "images"

    @property
    def title(self) -> str:
        """`words`, at the start of a sentence."""
        return self.words[:1].upper() + self.words[1:] if self.key == "accuracy" else self.words


ACCURACY = Headline("accuracy", "accuracy", "accuracies")
DICE = Headline("dice", "Dice", "dice_scores", item="case", pool="scans")
NEIGHBORS = Headline("knn_accuracy", "kNN accuracy", "knn_accuracies")
_ALL = {headline.key: headline for headline in (ACCURACY, DICE, NEIGHBORS)}


def headline_of(result: Mapping[str, Any]) -> Headline:
    """That of a result.json; those of older runs do not name it, and are of images with one class each."""
    return _ALL[result.get("headline", ACCURACY.key)]
