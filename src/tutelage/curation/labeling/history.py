"""The history of a label table: one line of JSON for each transaction, undo, and end of a session."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.core.regular import read_regular
from tutelage.curation.labeling.label_rows import Said

UNDO, CLOSED = {"undo": True}, {"closed": True}
Rows = dict[str, Said | None]


@dataclass(frozen=True)
class Transaction:
    """A step of the history, which is undone as a whole.

    Attributes:
        before, after: what is said of each image, by name; None is nothing.
        rejected: names of images, each with a class that it is not of.
        classes: the names of all classes before and after, where a class was renamed or removed.
    """

    before: Rows
    after: Rows
    rejected: tuple[tuple[str, str], ...] = ()
    classes: tuple[list[str], list[str]] | None = None

    def as_json(self) -> dict[str, Any]:
        """As an object of JSON."""
        line: dict[str, Any] = {"before": _plain(self.before), "after": _plain(self.after), "rejected": self.rejected}
        return line if self.classes is None else line | {"classes": self.classes}

    def classes_without(self, classes: Sequence[str]) -> list[str]:
        """The names of all classes once this step is undone, of those there are now."""
        if self.classes is None:
            return list(classes)
        before, after = self.classes
        return [*before, *(name for name in classes if name not in after and name not in before)]


@dataclass
class History:
    """What a history holds.

    Attributes:
        classes: names in the order of their keys.
        steps: the transactions that were not undone.
        last: what the last line says of images.
        closed: whether the last session was ended, and not killed.
        whole: bytes of the complete lines.
    """

    classes: list[str] = field(default_factory=list)
    steps: list[Transaction] = field(default_factory=list)
    last: Rows = field(default_factory=dict)
    closed: bool = False
    whole: int = 0


def as_line(value: Mapping[str, Any]) -> bytes:
    """One line of the file; names that are not Unicode are escaped as JSON does it."""
    return (json.dumps(value, ensure_ascii=True) + "\n").encode()


def read_history(file: Path) -> History:
    """The history in a file, which need not exist.

    Raises:
        DataError: a complete line is damaged, or the file cannot be read.
    """
    found = History()
    if not file.exists():
        return found
    try:
        content = read_regular(file)
    except OSError as error:
        raise DataError(f"{shown(str(file))} cannot be read: {error.strerror}") from None
    found.whole = content.rfind(b"\n") + 1
    for number, line in enumerate(content[: found.whole].splitlines(), start=1):
        try:
            _take(json.loads(line), found)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            raise DataError(
                f"{shown(str(file))} line {number} is damaged: expected a step of labeling; without this file, "
                "labeling goes on from the label table, and earlier answers cannot be undone"
            ) from None
    return found


def _take(line: Mapping[str, Any], found: History) -> None:
    if line == CLOSED:
        found.closed = True
        return
    found.closed = False
    if line.keys() == {"classes"}:
        found.classes = _names(line["classes"])
        return
    if line == UNDO:
        undone = found.steps.pop()
        found.last, found.classes = undone.before, undone.classes_without(found.classes)
        return
    rejected = tuple((str(name), str(label)) for name, label in line["rejected"])
    classes = None
    if "classes" in line:
        before, after = line["classes"]
        classes = _names(before), _names(after)
        found.classes = classes[1]
    step = Transaction(_rows(line["before"]), _rows(line["after"]), rejected, classes)
    found.steps.append(step)
    found.last = step.after


def _names(values: Sequence[object]) -> list[str]:
    return [str(name) for name in values]


def _rows(values: Mapping[str, Any]) -> Rows:
    return {name: None if said is None else Said(**said) for name, said in values.items()}


def _plain(rows: Rows) -> dict[str, Any]:
    return {name: None if said is None else asdict(said) for name, said in rows.items()}
