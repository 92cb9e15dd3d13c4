"""The final numbers of a run: the networks of the last step, on data that selected nothing."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table

from tutelage.run.recorder import networks
from tutelage.tasks.base import Task
from tutelage.training.loop import Training
from tutelage.training.scoring import Exam

MOST_COLUMNS = 5  # of scores, side by side
LEAST_EVALUATIONS, MOST_EVALUATIONS = 3, 20  # that a median is taken of


def final_result(
    training: Training,
    task: Task,
    *,
    rows: list[dict[str, Any]],
    parts: Mapping[str, Callable[[], Exam]],
    keep: Callable[[str, dict[str, NDArray[Any]]], None] = lambda part, items: None,
) -> dict[str, Any]:
    """Metrics of student and teacher after the last step.

    Args:
        rows: the lines of metrics.jsonl; the median is of the last 20 validation scores (as FixMatch reports its
            accuracy), or of those in the last fifth of the steps if these are fewer; left out where there are fewer
            than three.
        parts: how to get the data of each part that scores ("validation", "test"): each is called once.
        keep: is given what the evaluated network makes of each item of a part.
    """
    evaluated = "teacher" if training.method.predictor is not training.method.student else "student"
    result: dict[str, Any] = {
        "method": training.method.name,
        "step": training.total,
        "evaluated": evaluated,
        "headline": task.headline,
        "selection": "none: the network of the last step",
    }
    for part, get in parts.items():
        exam = get()
        result[part] = {}
        for name, network in networks(training).items():
            grades = exam.score(network)
            result[part][name] = grades.metrics
            if name == evaluated:
                keep(part, grades.items)
    late = [row for row in rows if row["kind"] == "validation" and 5 * row["step"] > 4 * training.total]
    last = [row[evaluated] for row in late[-MOST_EVALUATIONS:]]
    scores = [row[task.headline] for row in last if row.get(task.headline) is not None]
    if len(scores) >= LEAST_EVALUATIONS:
        result[f"validation_{task.headline}_late_median"] = {
            "evaluations": len(scores),
            "value": statistics.median(scores),
        }
    return result


def print_result(result: Mapping[str, Any], task: Task, console: Console) -> None:
    """Print the final metrics as a table; the network that counts is marked."""
    parts = [part for part in ("validation", "test") if part in result]
    if not parts:
        console.print(
            f"No labeled {task.items} were left to score on, so there is no number for this model. "
            f"Give labeled test {task.items} with --test, or label more.",
            markup=False,
        )
        return
    first = result[parts[0]][result["evaluated"]]
    columns = {key: column for key, column in task.columns.items() if key in first}
    made = [
        (part, f"{name} *" if name == result["evaluated"] else name, scores)
        for part in parts
        for name, scores in result[part].items()
    ]
    table = _rows(made, columns, task.items) if len(columns) <= MOST_COLUMNS else _turned(made, columns)
    table.title = f"{result['method']}, step {result['step']}"
    console.print(table)
    console.print("* the network that the method evaluates and predicts with")


def _rows(made: list[tuple[str, str, Any]], columns: Mapping[str, tuple[str, str]], items: str) -> Table:
    """A row for each part and network."""
    table = Table(items, "network", *(Column(title, justify="right") for title, _ in columns.values()))
    table.add_column("n", justify="right")
    for part, name, scores in made:
        table.add_row(part, name, *(_cell(scores[key], form) for key, (_, form) in columns.items()), str(scores["n"]))
    return table


def _turned(made: list[tuple[str, str, Any]], columns: Mapping[str, tuple[str, str]]) -> Table:
    """A column for each, where there are many scores."""
    table = Table("", *(Column(f"{part}\n{name}", justify="right") for part, name, _ in made))
    for key, (title, form) in columns.items():
        table.add_row(title, *(_cell(scores[key], form) for *_, scores in made))
    table.add_row("n", *(str(scores["n"]) for *_, scores in made))
    return table


def _cell(value: Any, form: str) -> str:
    return "-" if value is None else form.format(value)
