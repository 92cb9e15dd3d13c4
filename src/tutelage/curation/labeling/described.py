"""What a page shows of a session, as values that can be written as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from tutelage.core.names import shown
from tutelage.curation.labeling.answers import Answers
from tutelage.curation.labeling.belief import Belief
from tutelage.curation.labeling.classes import key_of
from tutelage.curation.labeling.estimate import HOW, PileEstimate

_MOST_CONFUSED = 5


def described_state(answers: Answers, belief: Belief) -> dict[str, Any]:
    """The part of `LabelingSession.state` that follows from answers."""
    classes, found = answers.classes, belief.estimate
    human = np.bincount(answers.labels[answers.labels >= 0], minlength=len(classes))
    model = np.bincount(belief.guess[~answers.answered & (belief.guess >= 0)], minlength=len(classes))
    confused = belief.confused[:_MOST_CONFUSED]
    return {
        "images": len(answers.names),
        "classes": [
            {"name": name, "key": key_of(k), "human": int(human[k]), "model": int(model[k])}
            for k, name in enumerate(classes)
        ],
        "labeled": int(human.sum()),
        "unsure": int((answers.answered & (answers.labels < 0)).sum()),
        "settled": int(belief.settled.sum()),
        "estimate": None if found is None else _described_estimate(found),
        "confused": [{"a": classes[a], "b": classes[b], "count": count} for a, b, count in confused],
        "asking": belief.questions.asking,
    }


def described_item(row: int, answers: Answers, belief: Belief) -> dict[str, Any]:
    """What is known of an image: `index`, `name`, `label`, `by`, `guess`, `confidence`, `answered`."""
    label, guess = int(answers.labels[row]), int(belief.guess[row])
    return {
        "index": row,
        "name": shown(answers.names[row]),
        "label": answers.classes[label] if label >= 0 else None,
        "by": "human" if answers.answered[row] else "model" if guess >= 0 else None,
        "guess": answers.classes[guess] if guess >= 0 else None,
        "confidence": round(float(belief.confidence[row]), 4),
        "answered": bool(answers.answered[row]),
    }


def _described_estimate(found: PileEstimate) -> dict[str, Any]:
    share = {"accuracy": found.accuracy, "low": found.low, "high": found.high}
    return share | {"labels": found.labels, "how": HOW}
