"""What a run and its baseline recorded, read for a diagnosis."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tutelage.core.batch import UNLABELED_LOSS
from tutelage.core.headlines import Headline
from tutelage.results.verdict.guessing import guess_of
from tutelage.run.recommend import SMALLEST_PHOTO
from tutelage.run.run_record import RunRecord
from tutelage.tasks.confusion import confusion_of

_UNLEARNED = 0.7  # of the loss of a guess that knows nothing
SYMBOLS = "symbols"  # the domain of images that mirroring changes
MAIN_WEIGHTS = ("consistency_weight", "unlabeled_weight")  # of an unlabeled loss, by their usual names


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
        """The supervised loss of a guess that knows nothing: in nats, or of scans the Dice loss of finding nothing."""
        if self.headline.clueless_loss is not None:
            section, _, name = self.headline.clueless_loss.partition(".")
            return float(self.run.settings[section][name])
        return math.log(len(self.run.classes))

    @property
    def clueless(self) -> str:
        """What has that loss, in a word or two."""
        return self.headline.clueless

    @property
    def guess(self) -> float | None:
        """The accuracy of always naming the most frequent class of the scored images; None for scans."""
        confused = confusion_of(self.run.scores)
        if confused is None:
            return None
        counts = confused.sum(1)
        return float(counts.max() / max(counts.sum(), 1))

    @property
    def unlearned(self) -> float | None:
        """The supervised loss at the end, if it shows that the labels have hardly been learned."""
        loss = self.run.mean("supervised", since=0.8)
        return loss if loss is not None and loss > _UNLEARNED * self.ignorance else None

    @property
    def no_better(self) -> bool:
        """Whether nothing shows that the run is better than guessing."""
        found = guess_of(self.run)
        return found is not None and found.no_better

    @property
    def side(self) -> int | None:
        """The median short side of the training images in pixels, as they are in their files; None if not recorded."""
        found = self.run.data.get("parts", {}).get("train", {}).get("side")
        return None if found is None else int(found)

    @property
    def photos_from_scratch(self) -> bool:
        """Whether a new network was trained on images that a network which was trained on photos is likely to know."""
        data, settings = self.run.data, self.run.settings
        if self.side is None or settings["augment"]["domain"] == SYMBOLS:
            return False
        known = self.side >= SMALLEST_PHOTO and not (data["channels"] == 1 and self.side == SMALLEST_PHOTO)
        started = self.run.cfg.network.starts_pretrained or settings["train"]["init_from"] is not None
        return known and not started

    def weighted_unlabeled_loss(self) -> float | None:
        """What the unlabeled data add to the loss, on average over the run, or None where the log does not say.

        Runs before the column `unlabeled_loss` logged a cost and its weight under names of their own.
        """
        run = self.run
        added = run.mean(UNLABELED_LOSS, since=0.0)
        if added is not None:
            return added
        consistency, weight = run.mean("consistency", since=0.0), run.mean("consistency_weight", since=0.0)
        if consistency is not None and weight is not None:
            return consistency * weight
        unsupervised, factor = run.mean("unsupervised", since=0.0), run.setting("unlabeled_weight")
        return None if unsupervised is None or factor is None else unsupervised * float(factor)

    def unlabeled_weight(self) -> tuple[str, float] | None:
        """Name and value of the setting that weighs the unlabeled loss, or None where the method has none.

        Where a method has several weights, the first one that it declares is its main one.
        """
        settings = self.run.settings["method"]
        names = [*MAIN_WEIGHTS, *(name for name in settings if name.endswith("_weight"))]
        known = ((name, settings.get(name)) for name in names)
        return next(((name, float(value)) for name, value in known if isinstance(value, int | float)), None)
