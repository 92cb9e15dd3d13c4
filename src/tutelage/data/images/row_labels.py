"""Which class a row of a label table means: labels are text, but some ways of writing mean the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import replace

from tutelage.core.names import counted, shown
from tutelage.data.images.tables import BY, Row

_NOTHING = ("-1", "-1.0")
_WHOLE = re.compile(r"^(\d+)(\.0+)?$")


def labels_meant(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """The rows with the labels that they mean, and what was taken for something else, one sentence each.

    `-1` is no label, and neither is the guess of a model. `1.0` is the class `1` if all labels are whole numbers or if
    some label is `1`: programs write whole numbers so in a column in which cells are empty. Labels are in the Unicode
    form NFC.
    """
    said = []
    unlabeled = [row for row in rows if row.label in _NOTHING]
    if unlabeled:
        said.append(
            f"{counted(len(unlabeled), 'row')} with the label -1 taken as unlabeled (first: {unlabeled[0].spot})"
        )
    guessed = [row for row in rows if row.by_model]
    if guessed:
        said.append(
            f"{counted(len(guessed), 'label')} by a model (column '{BY}') taken as unlabeled (first: "
            f"{guessed[0].spot}): delete that column to learn from these, too"
        )
    rows = [replace(row, label=None if row.by_model else _form(row.label)) for row in rows]
    same = whole_numbers({row.label for row in rows if row.label is not None})
    points = [row for row in rows if row.label in same]
    if points:
        first = points[0]
        such = f"{counted(len(points), 'label')} such as '{shown(str(first.label))}'"
        said.append(f"{such} taken as '{same[str(first.label)]}' (first: {first.spot})")
    return [row if row.label not in same else replace(row, label=same[str(row.label)]) for row in rows], said


def whole_numbers(labels: Collection[str]) -> dict[str, str]:
    """The labels like `1.0` that mean whole numbers, with these: all labels are such, or some other label is `1`."""
    whole = {label: match[1] for label in labels if (match := _WHOLE.match(label)) is not None}
    all_whole = len(whole) == len(labels)
    return {label: number for label, number in whole.items() if label != number and (all_whole or number in labels)}


def _form(label: str | None) -> str | None:
    return None if label is None or label in _NOTHING else unicodedata.normalize("NFC", label)
