"""What a run knows of its images besides the network: what may be said of a prediction rests on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tutelage.inference.images.doubt import Doubt
from tutelage.run.held_out import HeldOut
from tutelage.run.labeled_features import LabeledReference
from tutelage.run.pile import TrainingPile


@dataclass(frozen=True)
class Known:
    """What is known of held-out labels, and of the features of training images, which are read when they are needed.

    Attributes:
        held_out: predictions for images whose labels the network did not learn, if there are any.
        run: the run folder whose features are those of the network; None if there is none.
    """

    held_out: HeldOut | None = None
    run: Path | None = None

    @cached_property
    def pile(self) -> TrainingPile | None:
        """Some images of training; None if the run does not know their features.

        Raises:
            RunError: their file is damaged.
        """
        return None if self.run is None else TrainingPile.read(self.run)

    @cached_property
    def labeled(self) -> LabeledReference | None:
        """The labeled images of training; None and errors as for `pile`."""
        return None if self.run is None else LabeledReference.read(self.run)

    def doubt(self, *, coverage: float | None, unlike: bool, like: bool) -> Doubt:
        """What is asked for; see `Doubt.of`."""
        pile, labeled = self.pile if unlike else None, self.labeled if like else None
        return Doubt.of(self.held_out, pile, labeled, coverage=coverage, unlike=unlike, like=like)


NOTHING_KNOWN = Known()
