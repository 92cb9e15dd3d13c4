"""Scoring a run on labeled images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tutelage.core.errors import DataError
from tutelage.core.files import refuse_file, write_json
from tutelage.core.names import shown
from tutelage.data.images.items import Item
from tutelage.data.images.source import list_source
from tutelage.inference.image_model import Model, Prediction


def evaluate_run(
    run: Path,
    data: str,
    *,
    labels: str | None,
    network: str,
    device: str,
    out: Path | None,
    report: Path | None = None,
    overwrite: bool,
    console: Console,
) -> dict[str, Any]:
    """Score a run on the labeled images of `data`; prints a table, writes JSON to `out` and a page to `report`.

    Raises:
        TutelageError: the run, the data or the file is not as needed.
    """
    refuse_file(out, overwrite=overwrite)
    refuse_file(report, overwrite=overwrite)
    model = Model.load(run, network=network, device=device)
    model.require_classes()
    items, predictions = predict_labeled(model, data, labels=labels, workers=2)
    metrics = score_predictions(model, items, predictions)
    print_metrics(metrics, model.classes, console)
    if out is not None:
        write_json(out, metrics)
    if report is not None:
        from tutelage.results.report.small_pages import evaluation_page
        from tutelage.results.report.write import write_page

        write_page(evaluation_page(run, data, model, items, predictions, metrics), report)
        console.print(f"the report is {report}")
    return metrics


def score_source(model: Model, data: str, *, labels: str | None, workers: int) -> dict[str, Any]:
    """The metrics of `model` on the labeled images of a source, see `predict_labeled`."""
    return score_predictions(model, *predict_labeled(model, data, labels=labels, workers=workers))


def predict_labeled(
    model: Model, data: str, *, labels: str | None, workers: int
) -> tuple[list[Item], list[Prediction]]:
    """The labeled images of a source, and a prediction for each; images without a label are passed over.

    A source with splits gives its test images.

    Raises:
        DataError: with all faults: unreadable images, labels that are no class of the model, no labels.
    """
    listing = list_source(data, labels, role="test")
    faults = list(listing.faults)
    items = [item for item in listing.items if item.label is not None]
    classes = set(model.classes)
    unknown = [item for item in items if item.label not in classes]
    if unknown:
        names = ", ".join(f"'{shown(name)}'" for name in sorted({str(item.label) for item in unknown})[:5])
        known = ", ".join(shown(name) for name in model.classes[:10])
        faults.append(
            f"{shown(data)}: {len(unknown)} images have labels that the model does not know ({names}); known: {known}"
        )
    if not items and not faults:
        faults.append(f"{shown(data)} has no labeled images: expected class folders or a label table")
    if faults:
        raise DataError(faults)
    predictions = list(model.predictions(items, workers=workers))
    faults = [f"{shown(item.place)} {p.error}" for item, p in zip(items, predictions, strict=True) if p.probs is None]
    if faults:
        raise DataError(faults)
    return items, predictions


def score_predictions(model: Model, items: list[Item], predictions: list[Prediction]) -> dict[str, Any]:
    """The metrics of predictions for labeled images."""
    index = {name: number for number, name in enumerate(model.classes)}
    metrics = model.task.metrics()
    probs = np.stack([p.probs for p in predictions if p.probs is not None])
    metrics.update(torch.from_numpy(probs), torch.tensor([index[str(item.label)] for item in items]))
    return metrics.compute()


def print_metrics(metrics: dict[str, Any], classes: tuple[str, ...], console: Console) -> None:
    """Print the metrics: a line of totals, then a row a class."""
    totals = {
        "accuracy": "{:.2%}",
        "top5_accuracy": "{:.2%}",
        "balanced_accuracy": "{:.2%}",
        "nll": "{:.4f}",
        "ece": "{:.4f}",
    }
    for key, form in totals.items():
        if metrics.get(key) is not None:
            console.print(f"{key.replace('_', ' '):>18}  {form.format(metrics[key])}")
    console.print(f"{'images':>18}  {metrics['n']}")
    table = Table("class")
    for heading in ("precision", "recall", "F1", "images", "most often taken for"):
        table.add_column(heading, justify="right")
    for number, name in enumerate(classes):
        row = metrics["per_class"][name]
        wrong = [0 if k == number else count for k, count in enumerate(metrics["confusion_matrix"][number])]
        worst = max(range(len(classes)), key=wrong.__getitem__)
        confused = f"{shown(classes[worst])} ({wrong[worst]})" if wrong[worst] else ""
        scores = ["-" if row[key] is None else f"{row[key]:.1%}" for key in ("precision", "recall", "f1")]
        table.add_row(Text(shown(name)), *scores, str(row["support"]), Text(confused))
    console.print(table)
