"""What a model must not be used for, as far as the figures of its run tell."""

from __future__ import annotations

from typing import Any

from tutelage.core.intervals import share_interval
from tutelage.core.names import counted, enumerated, shown
from tutelage.results.verdict.guessing import guess_of
from tutelage.run.run_record import RunRecord

FOUND = 0.9  # recall of a class below which it is named, if chance does not explain it
CALIBRATED = 0.05  # mean gap between confidence and accuracy
FEW = 100  # scored items
POOR_DICE = 0.7
_MOST = 8  # classes that are named


def limits_of(record: RunRecord) -> list[str]:
    """Sentences, the most serious first."""
    found = [] if record.pretrained else _guessing(record)
    if record.scored:
        found += _scored(record)
    else:
        found.append(
            f"For anything that needs a known {record.headline.words}: no {record.headline.item} outside its training "
            "was scored."
        )
    return [*found, *_always(record)]


def _guessing(record: RunRecord) -> list[str]:
    guess = guess_of(record) if record.finished and not record.imported else None
    return [f"For predictions at all: {guess.sentence}."] if guess is not None and guess.no_better else []


def _scored(record: RunRecord) -> list[str]:
    scores, n = record.scores, int(record.scores["n"])
    found = []
    if n < FEW:
        found.append(f"To promise a {record.headline.words}: only {counted(n, record.headline.item)} were scored.")
    if record.kind.name == "scans":
        return found + _of_classes(_poor_dice(scores), "To measure or to plan")
    if "per_class" in scores:
        found += _of_classes(_missed(scores), "To find all images of")
    if (error := scores.get("ece")) is not None and error > CALIBRATED:
        found.append(
            f"Where a probability is taken at its word: the calibration error is {100 * error:.1f}%, so that a "
            f"confidence of 90% is off by that much on average."
        )
    return found


def _of_classes(classes: list[str], what: str) -> list[str]:
    if not classes:
        return []
    more = f", and {len(classes) - _MOST} more" if len(classes) > _MOST else ""
    return [f"{what} these classes: {enumerated(classes[:_MOST]) if not more else ', '.join(classes[:_MOST]) + more}."]


def _missed(scores: dict[str, Any]) -> list[str]:
    """Classes of which too many images are taken for others, the worst first."""
    found = []
    for name, row in scores["per_class"].items():
        if row["recall"] is None:
            found.append((-1.0, f"{shown(name)} (no image of it was scored)"))
            continue
        high = share_interval(row["recall"], row["support"])[1]
        if row["recall"] < FOUND and high < 1.0 - (1.0 - FOUND) / 4:
            found.append((row["recall"], f"{shown(name)} ({row['recall']:.0%} of {row['support']} are found)"))
    return [text for _, text in sorted(found)]


def _poor_dice(scores: dict[str, Any]) -> list[str]:
    found = []
    for name, row in scores["per_class"].items():
        mean = row["dice"]["mean"]
        if mean is None or mean < POOR_DICE:
            said = "not in any scored scan" if mean is None else f"Dice {mean:.0%}"
            found.append((-1.0 if mean is None else mean, f"{shown(name)} ({said})"))
    return [text for _, text in sorted(found)]


def _always(record: RunRecord) -> list[str]:
    """What holds of every model of its kind."""
    if record.pretrained:
        return ["To predict classes: it has none. Its features need a classifier that is trained on labels."]
    if record.kind.name == "scans":
        return [
            "On scans of another device, protocol, or body part than in its training: nothing was measured there.",
            "For diagnosis or treatment without a physician who looks at the scan itself.",
        ]
    k = len(record.classes)
    return [
        f"On images that show none of its {k} classes, or that look unlike those of its training: it always answers "
        "with one of them.",
        "Where a wrong answer does harm that no person would notice.",
    ]
