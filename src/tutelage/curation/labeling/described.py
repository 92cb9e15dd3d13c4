"""What a page shows of a session, as values that can be written as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from tutelage.core.names import shown
from tutelage.curation.labeling.answers import Answers
from tutelage.curation.labeling.belief import Belief
from tutelage.curation.labeling.classes import key_of
from tutelage.curation.labeling.estimate import HOW, PileEstimate
from tutelage.curation.labeling.history import Transaction

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


def described_group(number: int, start: int, count: int, answers: Answers, belief: Belief) -> dict[str, Any]:
    """Unlabeled images that the model takes for a class, surest first: `class`, `total`, and `items` from `start`."""
    rows = np.flatnonzero((belief.guess == number) & ~answers.answered)
    rows = rows[np.argsort(-belief.confidence[rows], kind="stable")]
    items = [described_item(row, answers, belief) for row in rows[start : start + count].tolist()]
    kept = ("index", "name", "confidence")
    return {
        "class": answers.classes[number],
        "total": len(rows),
        "items": [{key: item[key] for key in kept} for item in items],
    }


def described_points(answers: Answers, belief: Belief) -> dict[str, list[Any]]:
    """What a map shows of each image: `class` (of the label or the guess, or -1), `confidence`, `labeled`."""
    known = answers.labels >= 0
    confidence = np.where(known, 1.0, belief.confidence.astype(np.float64).round(3))
    return {
        "class": np.where(known, answers.labels, belief.guess).tolist(),
        "confidence": confidence.tolist(),
        "labeled": known.tolist(),
    }


def described_step(step: Transaction, answers: Answers) -> dict[str, Any]:
    """What a list of the last steps shows of one.

    `index` of the image, if it is a single one that is there; `images` with an answer; `out`, images that are not of a
    class; `label`, the most frequent answer, or that class; `changed`, a class that was renamed to `label`, or removed
    if `label` is null.
    """
    labels = Counter(None if said is None else said.label for said in step.after.values())
    label = labels.most_common(1)[0][0] if labels else next((out for _, out in step.rejected), None)
    name = next(iter(step.after)) if len(step.after) == 1 and step.classes is None else None
    changed = None
    if step.classes is not None:
        before, after = step.classes
        changed = next((one for one in before if one not in after), None)
        label = next((one for one in after if one not in before), label)
    return {
        "index": None if name is None else answers.rows.get(name),
        "images": len(step.after),
        "out": len(step.rejected),
        "label": label,
        "changed": changed,
    }


def _described_estimate(found: PileEstimate) -> dict[str, Any]:
    share = {"accuracy": found.accuracy, "low": found.low, "high": found.high}
    return share | {"labels": found.labels, "how": HOW}
