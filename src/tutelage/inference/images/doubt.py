"""What is said of a prediction besides its probabilities: which classes are possible, whether the image is unlike those
of training, and which labeled images it looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import ConfigError
from tutelage.core.wording import command, named, option
from tutelage.run.held_out import HeldOut
from tutelage.run.labeled_features import LabeledReference
from tutelage.run.pile import FALSE_ALARMS, TrainingPile
from tutelage.tasks.label_sets import CrossSets, LabelSets, least_labels

SETS = ("label_set", "unsure")
UNLIKE = ("typicality", "unlike")
LIKE = "like"
ALIKE = 3  # labeled images that are named
FLAGS = {"unsure": "with no class or several in their set", "unlike": "unlike those of training"}  # columns, and words


@dataclass(frozen=True)
class Doubt:
    """What is asked of each prediction.

    Attributes:
        sets: the sets of classes with a coverage, if they are asked for.
        pile: the images of training, if images unlike them are asked for.
        labeled: the labeled images of training, if the nearest of them are asked for.
    """

    sets: LabelSets | None = None
    pile: TrainingPile | None = None
    labeled: LabeledReference | None = None

    @staticmethod
    def of(
        held_out: HeldOut | None,
        pile: TrainingPile | None,
        labeled: LabeledReference | None = None,
        *,
        coverage: float | None,
        unlike: bool,
        like: bool = False,
    ) -> Doubt:
        """What is asked for, from what a run knows.

        Raises:
            ConfigError: the run knows too little for it, or the coverage is no share.
        """
        how = command("calibrate", "RUN", "DATA")
        if coverage is not None and not 0.0 < coverage < 1.0:
            raise ConfigError(f"{named('coverage')} must be above 0 and below 1, such as 0.95, got {coverage:g}")
        if coverage is not None and (held_out is None or len(held_out.label) < least_labels(coverage)):
            there = 0 if held_out is None else len(held_out.label)
            raise ConfigError(
                f"{option('coverage', coverage)} needs at least {least_labels(coverage)} labels that were held out in "
                f"training, and there are {there}: {how} takes labeled images that the model has not learned from"
            )
        if unlike and pile is None:
            raise ConfigError(
                f"{named('unlike')} needs features of training images, which this model does not have: {how} computes "
                "them from images like those of training"
            )
        if like and labeled is None:
            raise ConfigError(
                f"{named('like')} needs features of labeled images, which runs keep at the end of their training, and "
                "this model does not have: it was exported, is unfinished, or was trained by an earlier version"
            )
        sets = None if coverage is None or held_out is None else held_out.sets(coverage)
        if coverage is not None and sets is None:
            raise ConfigError(
                f"{option('coverage', coverage)} needs held-out images, which this run has none of: {how}"
            )
        return Doubt(sets, pile if unlike else None, labeled if like else None)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what is said."""
        sets, unlike = () if self.sets is None else SETS, () if self.pile is None else UNLIKE
        return (*sets, *unlike, *(() if self.labeled is None else (LIKE,)))

    @property
    def needs_features(self) -> bool:
        """Whether it looks at features."""
        return self.pile is not None or self.labeled is not None or isinstance(self.sets, CrossSets)

    def said(self, rows: NDArray[np.float32], classes: Sequence[str]) -> list[dict[str, Any]]:
        """What is said of each image, by column.

        Args:
            rows: (n, K) probabilities; if features are needed, (n, K + F), followed by these.
        """
        said: list[dict[str, Any]] = [{} for _ in rows]
        probs, features = rows[:, : len(classes)], rows[:, len(classes) :]
        if self.sets is not None and len(rows):
            for one, inside in zip(said, self.sets.of(probs, features), strict=True):
                names = tuple(classes[int(number)] for number in np.flatnonzero(inside))
                one |= {"label_set": names, "unsure": len(names) != 1}
        if self.pile is not None and len(rows):
            for one, value in zip(said, self.pile.typicality(features), strict=True):
                one |= {"typicality": float(value), "unlike": bool(value <= FALSE_ALARMS)}
        if self.labeled is not None and len(rows):
            for one, names in zip(said, self.labeled.nearest(features, ALIKE), strict=True):
                one[LIKE] = names
        return said


NO_DOUBT = Doubt()
