"""The names of the score by which runs are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SecondScore:
    """A score that tables show beside the headline.

    Attributes:
        key: its name in the metrics.
        words: its name in a heading.
        unit: "%" for a share in [0, 1], "mm", or "" for a plain number.
        averaged: whether tables of means show it, too.
    """

    key: str
    words: str
    unit: str = ""
    averaged: bool = False


@dataclass(frozen=True)
class Headline:
    """A score in [0, 1]; higher is better.

    Attributes:
        key: its name in the metrics; `Task.headline`.
        words: its name in a sentence.
        plural: its name for several values, as a heading.
        item: what is scored: "image" or "case".
        pool: what a method learns from without labels: "images" or "scans".
        second: the score beside it.
        counted: whether it is the share of right answers, so that it changes in steps of one item.
        clueless: what a network that knows nothing does.
        clueless_loss: the setting that equals the supervised loss of such a network; None if it is log(classes).
        learned: labels count as learned if the supervised loss ends below this share of that loss.
    """

    key: str
    words: str
    plural: str
    second: SecondScore
    item: str = "image"
    pool: str = "images"
    counted: bool = False
    clueless: str = "guessing"
    clueless_loss: str | None = None
    learned: float = 0.3

    @property
    def title(self) -> str:
        """`words`, as the start of a sentence."""
        return self.words[:1].upper() + self.words[1:] if self.key == "accuracy" else self.words


ACCURACY = Headline(
    "accuracy", "accuracy", "accuracies", second=SecondScore("ece", "calibration error", "%"), counted=True
)
DICE = Headline(
    "dice",
    "Dice",
    "dice_scores",
    second=SecondScore("hd95_pooled_mm", "HD95 pooled", "mm", averaged=True),
    item="case",
    pool="scans",
    clueless="finding nothing",
    clueless_loss="segmentation.dice_weight",  # the cross-entropy of naming the background everywhere is small
    learned=0.5,
)
NEIGHBORS = Headline(
    "knn_accuracy", "kNN accuracy", "knn_accuracies", second=SecondScore("effective_rank", "effective rank")
)
HEADLINES = {headline.key: headline for headline in (ACCURACY, DICE, NEIGHBORS)}


def headline_of(result: Mapping[str, Any]) -> Headline:
    """The headline of a result.json; older ones do not name it, and it is accuracy."""
    return HEADLINES[result.get("headline", ACCURACY.key)]
