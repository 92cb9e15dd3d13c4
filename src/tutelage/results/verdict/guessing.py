"""Whether a classifier is any better than guessing, by the labels of the images that it was scored on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tutelage.core.names import shown
from tutelage.run.run_record import RunRecord
from tutelage.tasks.confusion import confusion_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SIGNIFICANT = 0.05
_FEW = 0.1  # of accuracy: where as much above guessing would not be noticed, so few images cannot tell


@dataclass(frozen=True)
class Guess:
    """The right predictions of a classifier beside those of always naming the most frequent class.

    Attributes:
        right, images: the numbers of images predicted right, and scored.
        often: the most frequent class of the scored images.
        share: its share of them.
        p: the probability of as many right predictions or more if each were right with that share, by the binomial.
        balanced_p: the probability of a balanced accuracy as high or higher if predictions and labels had nothing to do
            with each other. Where one class is frequent, a classifier can know much and still be right less often than
            by naming that class.
    """

    right: int
    images: int
    often: str
    share: float
    p: float
    balanced_p: float

    @property
    def no_better(self) -> bool:
        """Whether nothing shows that the classifier is better than guessing."""
        return min(self.p, self.balanced_p) >= SIGNIFICANT

    @property
    def accuracy(self) -> float:
        """The share of images predicted right."""
        return self.right / self.images

    @property
    def few(self) -> bool:
        """Whether these are too few images to notice 10 points above guessing."""
        spread = math.sqrt(self.share * (1.0 - self.share) / self.images)
        return 1.645 * spread > _FEW

    @property
    def sentence(self) -> str:
        """What was found, if it is no better."""
        known = "perhaps no better than guessing" if self.few else "no better than guessing"
        so_few = ", which is inconclusive with so few images" if self.few else ""
        return (
            f"{known}: {self.right} of {self.images} images are classified correctly ({self.accuracy:.1%}); always "
            f"naming '{shown(self.often)}' would give {self.share:.1%} (p = {self.p:.2f}){so_few}"
        )


def guess_of(record: RunRecord, network: str = "") -> Guess | None:
    """How a finished run compares with guessing; None for what is not scored, or not by accuracy.

    Args:
        network: "student" or "teacher"; "" is the evaluated one.
    """
    if not record.scored or not record.headline.counted:
        return None
    return guess(record.networks.get(network or record.evaluated, {}), record.classes)


def guess(scores: Mapping[str, Any], classes: Sequence[str]) -> Guess | None:
    """How a classifier with these metrics compares with guessing; None without a confusion matrix."""
    from scipy import stats  # takes a second to import

    matrix = confusion_of(scores)
    if not scores.get("n") or matrix is None:
        return None
    counts, images, right = matrix.sum(1), int(matrix.sum()), int(matrix.trace())
    often = int(counts.argmax())
    share = float(counts[often]) / images
    p = float(stats.binomtest(right, images, share, alternative="greater").pvalue) if share < 1.0 else 1.0
    return Guess(right, images, classes[often], share, p, _balanced_p(matrix))


def _balanced_p(matrix: csr_array) -> float:
    """The p-value of the balanced accuracy if predictions do not depend on the true class, by a normal approximation.

    Each class is then named as often in its own row as in all others, so the mean recall is the share of predictions
    that name one of the classes that occur, divided by their number.
    """
    from scipy import stats

    counts = matrix.sum(1)
    there = counts > 0
    if there.sum() < 2:
        return 1.0
    named = matrix.sum(0)[there] / matrix.sum()  # (K',) how often each class is predicted
    recall = matrix.diagonal()[there] / counts[there]
    spread = math.sqrt(float((named * (1.0 - named) / counts[there]).sum()))
    if spread == 0.0:  # a single class is predicted
        return 1.0
    return float(stats.norm.sf(float(recall.sum() - named.sum()) / spread))
