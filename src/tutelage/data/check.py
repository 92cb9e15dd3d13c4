"""The report of a data check, common to images and scans."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tutelage.core.errors import DataError
from tutelage.core.names import counted, shown
from tutelage.core.wording import option

MOST_SHOWN = 20  # faults, and warnings
_MOST_IN_REPR = 3


@dataclass(frozen=True, repr=False)
class CheckReport(ABC):
    """The outcome of a check. Faults stop a training run, warnings do not; both are safe to print.

    Attributes:
        parts: a summary per role (train, val, test, unlabeled); each has `source` and `kind`.
        inventory: what was found; loading with it does not read the sources again.
    """

    parts: Mapping[str, Any]
    faults: list[str]
    warnings: list[str]
    inventory: Any

    @property
    def ok(self) -> bool:
        """Whether the data can be trained on."""
        return not self.faults

    def __repr__(self) -> str:
        parts = "; ".join(f"{role}: {self.lines(part)[0]}" for role, part in self.parts.items())
        counts = [counted(len(found), word) for word, found in self._found().items()]
        lines = [
            f"<check: {parts or 'nothing found'}; {', '.join(counts)}; {'' if self.ok else 'not '}ready to train on>"
        ]
        for word, found in self._found().items():
            lines += [f"  {word}: {sentence}" for sentence in found[:_MOST_IN_REPR]]
            lines += [f"  ... (all in {word}s)"] if len(found) > _MOST_IN_REPR else []
        return "\n".join(lines)

    def _found(self) -> dict[str, list[str]]:
        return {"fault": self.faults, "warning": self.warnings}

    def raise_faults(self) -> None:
        """Raise a DataError that lists all faults, if there are any."""
        if self.faults:
            raise DataError(self.faults)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the inventory, ready for JSON."""
        parts = {role: asdict(part) for role, part in self.parts.items()}
        return {"ok": self.ok, "parts": parts, "faults": self.faults, "warnings": self.warnings}

    def print(self, console: Console) -> None:
        """Print the counts of all parts, then warnings, then faults, at most `MOST_SHOWN` of each.

        Text from the data is never interpreted as markup.
        """
        for role, part in self.parts.items():
            console.print(Text(f"{role}: {shown(part.source)} ({part.kind})", style="bold"))
            for line in self.lines(part):
                console.print(Text(f"  {line}"))
        classes = self.class_table()
        for column in classes.columns[1:]:
            column.justify = "right"
        if classes.row_count:
            console.print(classes)
        self.print_warnings(console)
        print_sentences("error", "red", self.faults, console)
        if self.ok:
            console.print(Text("The data can be trained on.", style="green"))

    def print_warnings(self, console: Console) -> None:
        """Print the warnings, at most `MOST_SHOWN` of them."""
        print_sentences("warning", "yellow", self.warnings, console)

    @abstractmethod
    def lines(self, part: Any) -> list[str]:
        """The lines to print for a part."""

    @abstractmethod
    def class_table(self) -> Table:
        """One row per class, with its counts in each part that has labels."""


def check_for_training(report: CheckReport, console: Console) -> None:
    """Print the warnings of a check.

    Raises:
        DataError: with all faults.
    """
    report.print_warnings(console)
    report.raise_faults()


def end_of_check(path: str, faults: list[str]) -> None:
    """If there are `faults` in the data at `path`, raise a DataError with their number; they were printed before."""
    if faults:
        number = counted(len(faults), "problem")
        raise DataError(f"{shown(path)} cannot be trained on: {number}, listed above")


def most_common(counts: Mapping[str, int], most: int) -> str:
    """The first `most` counts, in words."""
    first = ", ".join(f"{name} ({count})" for name, count in list(counts.items())[:most])
    return first if len(counts) <= most else f"{first}, and {len(counts) - most} more"


def print_sentences(word: str, style: str, sentences: list[str], console: Console) -> None:
    """Print warnings or errors, at most `MOST_SHOWN` of them."""
    for sentence in sentences[:MOST_SHOWN]:
        console.print(Text.assemble((f"{word}: ", style), sentence), soft_wrap=True)
    if len(sentences) > MOST_SHOWN:
        console.print(
            Text(
                f"{word}: (and {len(sentences) - MOST_SHOWN} more; {option('out', 'report.json')} lists all)",
                style=style,
            )
        )
