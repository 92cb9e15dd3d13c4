"""Predictions for images as a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tutelage.core.files import write_atomically
from tutelage.core.names import to_cell
from tutelage.data.images.items import Item
from tutelage.inference.images.prediction import Classifier, Prediction, row_of
from tutelage.inference.model import Written


@dataclass(frozen=True)
class WrittenTable(Written):
    """The images that were predicted, and the predictions if they were kept."""

    items: Sequence[Item]
    predictions: Sequence[Prediction]


def write_predictions(
    model: Classifier, items: list[Item], out: Path, *, workers: int = 2, keep: bool = False
) -> WrittenTable:
    """Write `path, label, confidence, p_<class>..., error`, one row per image.

    If an image cannot be read, its row has only the reason, under `error`; the other images are still predicted.

    Args:
        keep: keep all predictions in memory; otherwise only the text of the file is kept.
    """
    text = io.StringIO(newline="")
    columns = ["path", "label", "confidence", *(f"p_{name}" for name in model.classes), "error"]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    unreadable = 0
    kept: list[Prediction] = []
    for prediction in model.predictions(items, workers=workers):
        row = row_of(prediction, model.classes)
        numbers = {key: f"{value:.6g}" for key, value in row.items() if isinstance(value, float)}
        writer.writerow({**row, **numbers, "path": to_cell(prediction.name)})
        unreadable += prediction.probs is None
        if keep:
            kept.append(prediction)
    write_atomically(out, text.getvalue().encode("utf-8"))
    said = f", {unreadable} of them unreadable (see the column error)" if unreadable else ""
    return WrittenTable(f"{len(items)} images{said}: {out}", items, kept)
