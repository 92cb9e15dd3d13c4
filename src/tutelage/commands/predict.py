"""Predicting the classes of new images into a CSV file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from rich.console import Console

from tutelage.core.files import refuse_file, write_atomically
from tutelage.core.names import to_cell
from tutelage.inference.image_model import Model, Prediction, list_items, row_of


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
    text = io.StringIO(newline="")
    columns = ["path", "label", "confidence", *(f"p_{name}" for name in model.classes), "error"]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    unreadable = 0
    kept: list[Prediction] = []  # for the report alone: without one, nothing grows with the number of images
    for prediction in model.predictions(items, workers=workers):
        row = row_of(prediction, model.classes)
        numbers = {key: f"{value:.6g}" for key, value in row.items() if isinstance(value, float)}
        writer.writerow({**row, **numbers, "path": to_cell(prediction.name)})
        unreadable += prediction.probs is None
        if report is not None:
            kept.append(prediction)
    write_atomically(out, text.getvalue().encode("utf-8"))
    said = f", {unreadable} of them unreadable (see the column error)" if unreadable else ""
    console.print(f"{len(items)} images{said}: {out}")
    if report is not None:
        from tutelage.results.report.small_pages import prediction_page
        from tutelage.results.report.write import write_page

        write_page(prediction_page(run, data, model, items, kept), report)
        console.print(f"the report is {report}")
