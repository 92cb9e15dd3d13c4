"""The final numbers of a run: the networks of the last step, on data that selected nothing."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tutelage.data.loader import Normalization
from tutelage.tasks.base import Task
from tutelage.training.loop import Training
from tutelage.training.recorder import networks
from tutelage.training.scoring import predict_rows, score_probs

Scored = tuple[np.ndarray, np.ndarray, np.ndarray]  # images (N, C, H, W), rows, labels (N,)
LEAST_EVALUATIONS, MOST_EVALUATIONS = 3, 20  # that a median is taken of


def final_result(
    training: Training,
    task: Task,
    normalization: Normalization,
    *,
    rows: list[dict[str, Any]],
    parts: Mapping[str, Callable[[], Scored]],
    keep: Callable[[str, np.ndarray, np.ndarray], None] = lambda part, label, predicted: None,
) -> dict[str, Any]:
    """Metrics of student and teacher after the last step.

    Args:
        rows: the lines of metrics.jsonl; the median is of the last 20 validation accuracies (as FixMatch reports it),
            or of those in the last fifth of the steps if these are fewer; left out where there are fewer than three.
        parts: how to get the images of each part that scores ("validation", "test"): each is called once.
        keep: is given each part's labels (N,) and the classes that the evaluated network gives its images.
    """
    evaluated = "teacher" if training.method.predictor is not training.method.student else "student"
    result: dict[str, Any] = {
        "method": training.method.name,
        "step": training.total,
        "evaluated": evaluated,
        "selection": "none: the network of the last step",
    }
    for part, get in parts.items():
        images, chosen, labels = get()
        result[part] = {}
        for name, network in networks(training).items():
            probs = predict_rows(network, task, images, chosen, normalization=normalization, device=training.device)
            result[part][name] = score_probs(task, probs, labels[chosen])
            if name == evaluated:
                keep(part, labels[chosen], probs.argmax(1).numpy())
    late = [row for row in rows if row["kind"] == "validation" and 5 * row["step"] > 4 * training.total]
    accuracies = [row[evaluated]["accuracy"] for row in late[-MOST_EVALUATIONS:]]
    if len(accuracies) >= LEAST_EVALUATIONS:
        result["validation_accuracy_late_median"] = {
            "evaluations": len(accuracies),
            "value": statistics.median(accuracies),
        }
    return result


_COLUMNS = {
    "accuracy": "accuracy",
    "top5_accuracy": "top-5",
    "balanced_accuracy": "balanced",
    "nll": "NLL",
    "ece": "ECE",
}


def print_result(result: Mapping[str, Any], console: Console) -> None:
    """Print the final metrics as a table; the network that counts is marked."""
    parts = [part for part in ("validation", "test") if part in result]
    if not parts:
        console.print(
            "No labeled images were left to score on, so there is no number for this model. "
            "Give labeled test images with --test, or label more.",
            markup=False,
        )
        return
    first = result[parts[0]][result["evaluated"]]
    columns = {key: title for key, title in _COLUMNS.items() if key in first}
    table = Table(title=f"{result['method']}, step {result['step']}")
    for heading in ("images", "network", *columns.values(), "n"):
        table.add_column(heading, justify="left" if heading in ("images", "network") else "right")
    for part in parts:
        for name, scores in result[part].items():
            marked = f"{name} *" if name == result["evaluated"] else name
            table.add_row(part, marked, *(_shown(key, scores[key]) for key in columns), str(scores["n"]))
    console.print(table)
    console.print("* the network that the method evaluates and predicts with")


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if key in ("nll", "ece") else f"{value:.1%}"
