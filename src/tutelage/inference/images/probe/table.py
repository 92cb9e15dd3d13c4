"""The result of a probe as a table: in Python, on the screen and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

_HEADINGS = {"run": "this encoder", "random": "random weights"}


@dataclass(frozen=True, eq=False, repr=False)
class ProbeTable:
    """The accuracy of simple classifiers on the features of a run.

    Attributes:
        result: everything that is known of the probe, ready for JSON: `run`, `classes`, `features`, `labeled_images`,
            `test_images`, `settings`, `notes` and `rows`.
    """

    result: Mapping[str, Any]

    @property
    def notes(self) -> list[str]:
        """What to know about the numbers, one sentence each."""
        return list(self.result["notes"])

    def to_frame(self) -> pd.DataFrame:
        """A table of `encoder, kind, labels, mean, std, runs`; accuracies are in [0, 1]."""
        import pandas as pd

        keys = ("encoder", "kind", "labels", "mean", "std")
        return pd.DataFrame([{key: row[key] for key in keys} | {"runs": len(row["accuracy"])} for row in self._rows])

    @property
    def _rows(self) -> list[dict[str, Any]]:
        return list(self.result["rows"])

    def __repr__(self) -> str:
        columns = " | ".join(_HEADINGS[name] for name in _columns(self.result))
        lines = [f"{_title(self.result)} ({columns})"]
        lines += [
            f"  {kind}, {labels} labels: {' | '.join(scores)}" for kind, labels, *scores, _ in _cells(self.result)
        ]
        return "\n".join(lines)


def print_table(result: Mapping[str, Any], console: Console) -> None:
    """Print accuracy by probe and number of labels."""
    columns = _columns(result)
    table = Table(title=_title(result))
    for number, heading in enumerate(("probe", "labels", *(_HEADINGS[name] for name in columns), "runs")):
        table.add_column(heading, justify="right" if number else "left")
    for cells in _cells(result):
        table.add_row(*cells)
    console.print(table)


def as_markdown(result: Mapping[str, Any]) -> str:
    """The table in Markdown, followed by the run and the notes."""
    headings = ("probe", "labels", *(_HEADINGS[name] for name in _columns(result)), "runs")
    lines = [f"# {_title(result)}", "", f"| {' | '.join(headings)} |", f"|:--|{'--:|' * (len(headings) - 1)}"]
    lines += [f"| {' | '.join(cells)} |" for cells in _cells(result)]
    lines += ["", f"`{result['run']}` (method {result['method']}, step {result['step']:,}), mean ± standard deviation."]
    lines += [f"- {note}" for note in result["notes"]]
    return "\n".join(lines) + "\n"


def _title(result: Mapping[str, Any]) -> str:
    scored = (
        f"{result['test_images']:,} test images" if result["test_images"] else "the labeled images, cross-validated"
    )
    return f"Accuracy on {scored}, frozen {result['network']}, {result['features']} features"


def _columns(result: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["encoder"] for row in result["rows"]))


def _cells(result: Mapping[str, Any]) -> Iterator[list[str]]:
    rows = {(row["kind"], row["labels"], row["encoder"]): row for row in result["rows"]}
    for kind, labels in dict.fromkeys((row["kind"], row["labels"]) for row in result["rows"]):
        found = [rows[kind, labels, name] for name in _columns(result)]
        yield [kind, f"{labels:,}", *map(_score, found), str(len(found[0]["accuracy"]))]


def _score(row: Mapping[str, Any]) -> str:
    spread = "" if row["std"] is None else f" ± {100 * row['std']:.1f}"
    return f"{100 * row['mean']:.1f}%{spread}"
