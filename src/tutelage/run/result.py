"""The final scores of a run: the networks of the last step, on data that was never used to select one."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table

from tutelage.core.console import name_column
from tutelage.core.wording import command, option
from tutelage.run.calibrated import Calibration, calibration_said
from tutelage.run.estimate import Estimate
from tutelage.run.recorder import networks
from tutelage.run.scored import of_network
from tutelage.tasks.base import Task
from tutelage.tasks.representation import Representation
from tutelage.training.scoring import Exam
from tutelage.training.state import Training

MOST_COLUMNS = 5  # scores side by side in a table; more of them are listed one per row
LEAST_EVALUATIONS, MOST_EVALUATIONS = 3, 20  # of which a median is taken


def final_result(
    training: Training,
    task: Task,
    *,
    rows: list[dict[str, Any]],
    parts: Mapping[str, Callable[[], Exam]],
    keep: Callable[[str, dict[str, NDArray[Any]]], None] = lambda part, items: None,
    calibration: Calibration | None = None,
) -> dict[str, Any]:
    """Metrics of student and teacher after the last step.

    Args:
        rows: the lines of metrics.jsonl. The reported median is of the last 20 validation scores (as in FixMatch), or
            of those in the last fifth of training if these are fewer; it is left out if there are fewer than three.
        parts: for each part ("validation", "test"), a function that loads its data; called once.
        keep: called with each part's name and the predictions on it; see `write_scored`.
        calibration: learns from validation images, and is applied to the test images; for the evaluated network only.
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
        result[part], items = {}, dict[str, NDArray[Any]]()
        for name, network in networks(training).items():
            grades = exam.score(network)
            if calibration is not None and name == evaluated:
                grades = calibration.applied(part, grades)
            result[part][name] = grades.metrics
            items |= {of_network(key, "" if name == evaluated else name): value for key, value in grades.items.items()}
        keep(part, items)
    result |= {} if calibration is None else calibration.facts
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
    """Print the final metrics as a table; a star marks the network that is evaluated.

    Where nothing was scored, the cross-validated score is printed, and said to be an estimate.
    """
    parts = [part for part in ("validation", "test") if part in result]
    if not parts:
        estimate = Estimate.in_facts(result)
        if estimate is not None:
            console.print(
                f"{estimate.sentence}; for a test score, give labeled {task.items} with {option('test')}", markup=False
            )
            return
        if isinstance(task, Representation):
            console.print(
                f"Without labels an encoder has no score: {command('probe', 'RUN', 'DATA')} measures its features, and "
                f"{option('init_from', 'RUN')} starts a training from it.",
                markup=False,
            )
            return
        console.print(
            f"No labeled {task.items} were left to score on, so there is no score for this model. "
            f"Give labeled test {task.items} with {option('test')}, or label more.",
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
    if (said := calibration_said(result)) is not None:
        console.print(said, markup=False)


def _rows(made: list[tuple[str, str, Any]], columns: Mapping[str, tuple[str, str]], items: str) -> Table:
    """One row per part and network."""
    table = Table(items, "network", *(Column(title, justify="right", overflow="fold") for title, _ in columns.values()))
    table.add_column("n", justify="right")
    for part, name, scores in made:
        table.add_row(part, name, *(_cell(scores[key], form) for key, (_, form) in columns.items()), str(scores["n"]))
    return table


def _turned(made: list[tuple[str, str, Any]], columns: Mapping[str, tuple[str, str]]) -> Table:
    """One column per part and network, if there are many scores."""
    table = Table(name_column(""), *(Column(f"{part}\n{name}", justify="right") for part, name, _ in made))
    for key, (title, form) in columns.items():
        table.add_row(title, *(_cell(scores[key], form) for *_, scores in made))
    table.add_row("n", *(str(scores["n"]) for *_, scores in made))
    return table


def _cell(value: Any, form: str) -> str:
    return "-" if value is None else form.format(value)
