"""The classes of masks: names and values, as given, or from what the masks hold."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.config.scan import ScanConfig
from tutelage.core.names import shown
from tutelage.core.regular import read_regular
from tutelage.data.scans.inventory import names_of_values

NAMES = "labels.json"  # which `tutelage predict` writes beside its masks


@dataclass(frozen=True)
class MaskClasses:
    """Names of classes, the first of which is background, and the class of each value in the files.

    Attributes:
        index: class by value. Two values may be one class: masks of one class are saved with 1 or with 255.
        ignored: value of the reference that is not scored, or None.
        warning: what was decided, if that may be wrong.
    """

    names: tuple[str, ...]
    index: dict[int, int]
    ignored: int | None = None
    warning: str | None = None

    def fault(self, name: str, what: str, values: Collection[int]) -> str | None:
        """What is wrong with the values of a mask, in a sentence that starts with the name of its case."""
        wrong = sorted(set(values) - {*self.index, *([] if self.ignored is None else [self.ignored])})
        if not wrong:
            return None
        known = ", ".join(f"{value} {shown(self.names[place])}" for value, place in self.index.items())
        return f"{shown(name)}: the {what} holds the value {wrong[0]}, which is not a class; known: {known}"

    def indices(self, mask: NDArray[np.int32]) -> NDArray[np.int64]:
        """Class of each voxel of a mask (*S); -1 where it is ignored."""
        found = np.full(mask.shape, -1, np.int64)
        for value, place in self.index.items():
            found[mask == value] = place
        return found


def choose_classes(
    given: Sequence[str],
    predicted: str | Path,
    *,
    references: set[int],
    predictions: set[int],
    ignore_label: int | None,
) -> MaskClasses:
    """The classes that are given, or those of `labels.json` beside the predictions, or those of the values.

    Args:
        given: names in the order of the values 0, 1, ..., or `name=value`.
        references, predictions: the values in all masks.

    Raises:
        ConfigError: a name or value is repeated, or a value is not in 0..255.
    """
    named = ScanConfig(classes=tuple(given), ignore_label=ignore_label).class_values() if given else _named(predicted)
    if named:
        return MaskClasses(tuple(named), {value: place for place, value in enumerate(named.values())}, ignore_label)
    own, other = ({*values} - {0, ignore_label} for values in (references, predictions))
    if len(own) == len(other) == 1 and own != other:
        one, two = *own, *other
        return MaskClasses(
            ("background", "foreground"),
            {0: 0, one: 1, two: 1},
            ignore_label,
            f"references have the value {one}, predictions {two}: taken for one class",
        )
    known = sorted({0, *own, *other})
    return MaskClasses(tuple(names_of_values(known)), {value: place for place, value in enumerate(known)}, ignore_label)


def _named(predicted: str | Path) -> dict[str, int]:
    try:
        names = json.loads(read_regular(Path(predicted) / NAMES))
        return {str(name): int(value) for value, name in names.items()}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return {}
