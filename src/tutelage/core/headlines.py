"""The names of the score by which runs are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Headline:
    """A score in [0, 1]; higher is better.

    Attributes:
        key: its name in the metrics; `Task.headline`.
        words: its name in a sentence.
        plural: its name for several values, as a heading.
        item: what is scored: "image" or "case".
        pool: what a method learns from without labels: "images" or "scans".
    """

    key: str
    words: str
    plural: str
    item: str = "image"
    pool: str = "images"

    @property
    def title(self) -> str:
        """`words`, as the start of a sentence."""
        return self.words[:1].upper() + self.words[1:] if self.key == "accuracy" else self.words


ACCURACY = Headline("accuracy", "accuracy", "accuracies")
DICE = Headline("dice", "Dice", "dice_scores", item="case", pool="scans")
NEIGHBORS = Headline("knn_accuracy", "kNN accuracy", "knn_accuracies")
_ALL = {headline.key: headline for headline in (ACCURACY, DICE, NEIGHBORS)}


def headline_of(result: Mapping[str, Any]) -> Headline:
    """The headline of a result.json; older ones do not name it, and it is accuracy."""
    return _ALL[result.get("headline", ACCURACY.key)]
