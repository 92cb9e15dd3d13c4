"""The answers so far, by the row of an image in the pile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tutelage.core.errors import ConfigError
from tutelage.core.names import shown
from tutelage.curation.labeling.label_rows import Said


class Answers:
    """Labels as arrays, which follow what a journal says.

    Args:
        names: of the images, in the order of their rows.
        classes: in the order of their indices; a label of another class adds it.

    Attributes:
        labels: (N,) int64, -1 where unknown.
        answered: (N,), whether a person answered, be it "not sure".
    """

    def __init__(self, names: Sequence[str], classes: Iterable[str]) -> None:
        self.names = list(names)
        self.rows = {name: row for row, name in enumerate(self.names)}
        self.classes = list(dict.fromkeys(classes))
        self.labels = np.full(len(self.names), -1, np.int64)
        self.answered = np.zeros(len(self.names), bool)

    def take(self, said: Mapping[str, Said | None]) -> None:
        """What is said of images now, by name; None is nothing. What a model said is no answer."""
        for name, one in said.items():
            if name not in self.rows:
                continue  # an image that cannot be read any more
            human = one is not None and one.by == "human"
            label = one.label if one is not None and human else None
            if label is not None and label not in self.classes:
                self.classes.append(label)
            self.answered[self.rows[name]] = human
            self.labels[self.rows[name]] = -1 if label is None else self.classes.index(label)

    def known_pairs(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[int, int]]:
        """Rows and classes of pairs of names, without those of which either is unknown."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        return [(self.rows[name], numbers[one]) for name, one in pairs if name in self.rows and one in numbers]

    def row(self, index: object) -> int:
        """`index`, if it is the row of an image.

        Raises:
            ConfigError: it is not.
        """
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(self.names):
            raise ConfigError(f"expected the index of an image, 0..{len(self.names) - 1}, got {index!r}")
        return index

    def number(self, name: object) -> int:
        """The index of a class.

        Raises:
            ConfigError: there is no such class.
        """
        if name not in self.classes:
            known = ", ".join(map(shown, self.classes)) or "none"
            raise ConfigError(f"'{shown(str(name))}' is not a class; known: {known}")
        return self.classes.index(str(name))
