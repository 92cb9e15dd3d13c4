"""What the model makes of the labels so far: everything that changes with an answer and is not an answer itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tutelage.curation.labeling.estimate import Estimate, estimate_accuracy
from tutelage.curation.labeling.learner import class_probabilities
from tutelage.curation.labeling.questions import Asker, Questions
from tutelage.curation.pile import Pile

SURE = 0.9  # of the probability, from which on the model is sure of a class


@dataclass(frozen=True)
class Belief:
    """What follows from the labels.

    Attributes:
        probs: (N, K); None before two classes have a label.
        guess, confidence: (N,) the most probable class, -1 without a model, and its probability.
        settled: (N,) unlabeled images whose class the model is sure of.
        estimate: None with few labels.
        questions: what is asked next.
    """

    probs: NDArray[np.float32] | None
    guess: NDArray[np.int64]
    confidence: NDArray[np.float32]
    settled: NDArray[np.bool_]
    estimate: Estimate | None
    questions: Questions


class Thinker:
    """Draws conclusions from the labels of a pile.

    Args:
        pile: whose features are used.
    """

    def __init__(self, pile: Pile, *, seed: int) -> None:
        self._features, self._seed = pile.features, seed
        self._asker = Asker(pile.features, alike=pile.alike, seed=seed)

    def think(
        self,
        labels: NDArray[np.int64],
        answered: NDArray[np.bool_],
        classes: Sequence[str],
        rejected: Sequence[tuple[int, int]],
    ) -> Belief:
        """The belief after answers.

        Args:
            labels: (N,), -1 where unknown.
            answered: (N,), whether an image has an answer, which may be "not sure".
            classes: K names.
            rejected: (row, class), which a person said it is not.
        """
        probs = class_probabilities(self._features, labels, len(classes), seed=self._seed)
        if probs is not None and rejected:
            rows, out = np.array(rejected).T
            probs[rows, out] = 0.0
            probs /= np.maximum(probs.sum(1, keepdims=True), 1e-12)
        known = labels >= 0
        guess = np.full(len(labels), -1) if probs is None else probs.argmax(1)
        confidence = np.zeros(len(labels), np.float32) if probs is None else probs.max(1)
        return Belief(
            probs,
            guess,
            confidence,
            (confidence >= SURE) & ~answered,
            estimate_accuracy(self._features[known], labels[known]),
            self._asker.choose(np.flatnonzero(~answered), known, probs, classes),
        )
