"""Predicting the classes of new images into a CSV file."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from rich.console import Console

from tutelage.core.files import atomic_file, refuse_file
from tutelage.core.names import to_cell
from tutelage.core.tables import csv_bytes
from tutelage.inference.image_model import Model, Prediction, list_items, row_of

BLOCK = 256  # rows that are written at once


def predict_run(
    run: Path,
    data: str,
    *,
    out: Path,
    network: str,
    device: str,
    workers: int,
    report: Path | None = None,
    overwrite: bool,
    console: Console,
) -> None:
    """Write `path, label, confidence, p_<class>..., error`, one row an image, and a page to `report`.

    An image that cannot be read has its reason under `error` and nothing else; the rest is done.

    Raises:
        TutelageError: the run, the source or the file is not as needed.
    """
    refuse_file(out, overwrite=overwrite)
    refuse_file(report, overwrite=overwrite)
    items = list_items(data)
    model = Model.load(run, network=network, device=device)
    model.require_classes()
    columns = ["path", "label", "confidence", *(f"p_{name}" for name in model.classes), "error"]
    predictions = model.predictions(items, workers=workers)
    unreadable = 0
    kept: list[Prediction] = []  # for the report alone: without one, nothing grows with the number of images
    with atomic_file(out) as stream:
        while block := list(islice(predictions, BLOCK)):
            rows = [_cells(prediction, model.classes) for prediction in block]
            stream.write(csv_bytes(rows, columns, header=stream.tell() == 0))
            unreadable += sum(prediction.probs is None for prediction in block)
            if report is not None:
                kept += block
    said = f", {unreadable} of them unreadable (see the column error)" if unreadable else ""
    console.print(f"{len(items)} images{said}: {out}")
    if report is not None:
        from tutelage.results.report.small_pages import prediction_page
        from tutelage.results.report.write import write_page

        write_page(prediction_page(run, data, model, items, kept), report)
        console.print(f"the report is {report}")


def _cells(prediction: Prediction, classes: tuple[str, ...]) -> dict[str, str]:
    """A row of the table, as text."""
    row = row_of(prediction, classes)
    numbers = {key: f"{value:.6g}" for key, value in row.items() if isinstance(value, float)}
    return {**row, **numbers, "path": to_cell(prediction.name)}
