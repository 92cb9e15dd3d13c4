"""What the model makes of the labels so far: everything that changes with an answer and is not an answer itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tutelage.curation.labeling.audit import drawn, random_order
from tutelage.curation.labeling.estimate import Judged, PileEstimate, confusions, estimate_accuracy
from tutelage.curation.labeling.learner import Learned, learn
from tutelage.curation.labeling.nearest import NearestLabels
from tutelage.curation.labeling.questions import Asker, Questions
from tutelage.curation.pile import Pile

SURE = 0.9  # the probability from which on the model is sure of a class


@dataclass(frozen=True)
class Belief:
    """What follows from the labels.

    Attributes:
        probs: (N, K); None before two classes have a label.
        guess, confidence: (N,) the most probable class, -1 if there is none, and its probability.
        settled: (N,) images without an answer whose class the model is sure of: it has a probability of 0.9 or more,
            and the nearest image with a label is of that class. None while questions are about typical images, since
            there may be classes without a label.
        estimate: None with few labels of images drawn at random.
        confused: (a, b, count) of labels that a model trained without them got wrong; see `confusions`.
        questions: what is asked next.
    """

    probs: NDArray[np.float32] | None
    guess: NDArray[np.int64]
    confidence: NDArray[np.float32]
    settled: NDArray[np.bool_]
    estimate: PileEstimate | None
    confused: list[tuple[int, int, int]]
    questions: Questions


class Thinker:
    """Draws conclusions from the labels of a pile.

    Args:
        pile: whose features are used.
        seed: of the clusters and of the model.
    """

    def __init__(self, pile: Pile, *, seed: int) -> None:
        self._features, self._seed = pile.features, seed
        self._nearest = NearestLabels(pile.features)
        self._order = random_order([item.name for item in pile.items], seed)
        self._asker = Asker(pile.features, self._order, alike=pile.alike, seed=seed)

    def think(
        self,
        labels: NDArray[np.int64],
        answered: NDArray[np.bool_],
        classes: Sequence[str],
        rejected: Sequence[tuple[int, int]],
    ) -> Belief:
        """The belief after an answer.

        Args:
            labels: (N,), -1 where unknown.
            answered: (N,), whether an image has an answer, which may be "not sure".
            classes: K names.
            rejected: (row, class) that a person said the image is not of.
        """
        known = labels >= 0
        self._nearest.update(known)
        learned = learn(self._features, labels, len(classes), seed=self._seed)
        if learned is None:
            nothing = np.full(len(labels), -1), np.zeros(len(labels), np.float32), np.zeros(len(labels), bool)
            return Belief(None, *nothing, None, [], self._asker.choose(labels, answered, self._nearest, None, classes))
        probs, judged = learned.probs, self._judged(learned, labels, answered)
        rows, out = np.array([pair for pair in rejected if not answered[pair[0]]], np.int64).reshape(-1, 2).T
        probs[rows, out] = 0.0
        probs[rows] /= np.maximum(probs[rows].sum(1, keepdims=True), 1e-12)
        confidence = probs.max(1)
        guess = np.where(confidence > 0, probs.argmax(1), -1)  # none is left if a person rejected all classes
        questions = self._asker.choose(labels, answered, self._nearest, probs, classes)
        settled = ~answered & (confidence >= SURE) & (labels[self._nearest.near] == guess) & (not questions.typical)
        estimate = estimate_accuracy(judged, confidence[~answered & (guess >= 0)])
        confused = confusions(judged.label, judged.told)
        return Belief(probs, guess, confidence, settled, estimate, confused, questions)

    def _judged(self, learned: Learned, labels: NDArray[np.int64], answered: NDArray[np.bool_]) -> Judged:
        known, random = labels >= 0, np.zeros(len(labels), bool)
        random[drawn(self._order, answered)] = True
        said = learned.probs[known].argmax(1)
        return Judged(labels[known], learned.told, learned.sureness, said, random[known])
