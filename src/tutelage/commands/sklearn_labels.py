"""Labels as scikit-learn hands them over: -1 for unlabeled, and any type otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, check_consistent_length

from tutelage.core.names import class_name_fault, file_key

UNLABELED = -1


@dataclass(frozen=True)
class GivenTargets:
    """The labels of N images.

    Attributes:
        values: (N,) as they were given.
        known: (N,) whether the label is not -1.
    """

    values: NDArray[Any]
    known: NDArray[np.bool_]

    def classes(self) -> NDArray[Any]:
        """(K,) the different labels, sorted.

        Raises:
            ValueError: there are fewer than two, or they are of types that cannot be sorted.
        """
        labels = self.values[self.known]
        check_classification_targets(labels)
        try:
            found: NDArray[Any] = np.unique(labels)
        except TypeError:
            kinds = sorted({type(label).__name__ for label in labels})
            raise ValueError(f"the labels in y are of different types: {', '.join(kinds)}") from None
        if len(found) < 2:
            raise ValueError(f"y has {len(found)} class, not counting -1 for unlabeled: expected two or more")
        return found


def targets_of(y: Any, count: int | None = None) -> GivenTargets:
    """The labels in `y`.

    Args:
        count: the number of images.

    Raises:
        ValueError: `y` is missing, has another shape or length, or holds NaN, or text beside -1 that became text, too.
    """
    if y is None:
        raise ValueError("TutelageClassifier requires y to be passed, but the target y is None: -1 is for unlabeled")
    if isinstance(y, list | tuple) and any(isinstance(label, str) for label in y):
        y = np.array([*y, None], dtype=object)[:-1]  # NumPy would turn -1 into text
    values: NDArray[Any] = column_or_1d(y, warn=True)
    if count is not None and len(values) != count:
        check_consistent_length(range(count), values)
    if values.dtype.kind in "US":
        if (values == str(UNLABELED)).any():
            raise ValueError("y holds the text '-1': for labels that are text, pass an array of dtype=object with -1")
        return GivenTargets(values, np.ones(len(values), bool))
    assert_all_finite(values, input_name="y")
    if values.dtype == object:
        numbers = [not isinstance(label, str) and label == UNLABELED for label in values]
        return GivenTargets(values, ~np.array(numbers, bool))
    return GivenTargets(values, values != UNLABELED if values.dtype.kind != "b" else np.ones(len(values), bool))


def names_of(classes: NDArray[Any]) -> tuple[str, ...]:
    """A class name for each label, which is its text wherever that can be one."""
    names = tuple(str(label) for label in classes.tolist())
    if any(map(class_name_fault, names)) or len({file_key(name) for name in names}) < len(names):
        return tuple(f"class {place}" for place in range(len(names)))
    return names
