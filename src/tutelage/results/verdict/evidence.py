"""What a run and its baseline recorded, read for a diagnosis."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tutelage.core.headlines import DICE, Headline
from tutelage.run.run_record import RunRecord


@dataclass(frozen=True)
class Evidence:
    """A semi-supervised run and its supervised baseline, both finished and scored."""

    run: RunRecord
    baseline: RunRecord

    @property
    def headline(self) -> Headline:
        """The score that both are compared by."""
        return self.run.headline

    @property
    def ignorance(self) -> float:
        """The supervised loss of an uninformed guess: in nats, or for scans the Dice loss of finding nothing."""
        if self.headline == DICE:  # the cross-entropy of predicting background everywhere is small beside it
            return float(self.run.settings["segmentation"]["dice_weight"])
        return math.log(len(self.run.classes))

    @property
    def clueless(self) -> str:
        """What gives that loss, in a word or two."""
        return "finding nothing" if self.headline == DICE else "guessing"

    @property
    def guess(self) -> float | None:
        """The accuracy of always naming the most frequent class of the scored images; None for scans."""
        if "confusion_matrix" not in self.run.scores:
            return None
        counts = [sum(row) for row in self.run.scores["confusion_matrix"]]
        return max(counts) / max(sum(counts), 1)

    def weighted_unlabeled_loss(self) -> float | None:
        """The mean contribution of the unlabeled images to the loss, or None if it is not logged."""
        run = self.run
        consistency, weight = run.mean("consistency", since=0.0), run.mean("consistency_weight", since=0.0)
        if consistency is not None and weight is not None:
            return consistency * weight
        unsupervised, factor = run.mean("unsupervised", since=0.0), run.setting("unlabeled_weight")
        return None if unsupervised is None or factor is None else unsupervised * float(factor)
