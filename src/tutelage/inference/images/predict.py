"""Predictions for images as a CSV file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tutelage.core.distributed import rank
from tutelage.core.files import atomic_file
from tutelage.core.names import first_of, shown, to_cell
from tutelage.core.tables import csv_bytes
from tutelage.data.images.items import Item
from tutelage.inference.images.doubt import FLAGS, NO_DOUBT, Doubt
from tutelage.inference.images.kept_blocks import KeptBlocks
from tutelage.inference.images.prediction import Classifier, Prediction, predictions_of, row_of
from tutelage.inference.model import Tell, Written

_BLOCK = 256  # rows that are written at once


@dataclass(frozen=True)
class WrittenTable(Written):
    """The images that were predicted, and the predictions if they were kept."""

    items: Sequence[Item]
    predictions: Sequence[Prediction]


def write_predictions(
    model: Classifier,
    items: list[Item],
    out: Path,
    kept: KeptBlocks,
    *,
    workers: int = 2,
    keep: bool = False,
    tell: Tell = lambda line: None,
    doubt: Doubt = NO_DOUBT,
) -> WrittenTable:
    """Write `path, label, confidence, p_<class>..., error`, one row per image.

    If an image cannot be read, its row has only the reason, under `error`; the other images are still predicted. Under
    torchrun, only the first process writes.

    Args:
        kept: where the predictions of many images are until the table is complete.
        keep: keep all predictions in memory; otherwise memory use does not grow with the number of images.
        tell: receives lines that say how many images are done.
        doubt: what else is said of each image, in columns before `error`.
    """
    columns = ["path", "label", "confidence", *(f"p_{name}" for name in model.classes), *doubt.columns, "error"]
    blocks = model.image_pass(workers=workers, features=doubt.needs_features).kept(items, kept, tell)
    predictions = predictions_of(items, blocks, model.classes, doubt)
    if rank():
        return WrittenTable("", "", "", items, list(predictions))
    unreadable: list[str] = []  # only names, of which there may be many
    flagged: Counter[str] = Counter()
    first = ""
    all_kept: list[Prediction] = []
    block = list(islice(predictions, _BLOCK))  # many images pass before the first one is given
    with atomic_file(out) as stream:
        while block:
            rows = [_cells(prediction, model.classes) for prediction in block]
            stream.write(csv_bytes(rows, columns, header=stream.tell() == 0))
            lost = [one for one in block if one.probs is None]
            unreadable += [one.name for one in lost]
            first = first or next((f"{shown(one.name)}: {one.error}" for one in lost), "")
            flagged.update(column for one in block for column in FLAGS if one.more.get(column))
            if keep:
                all_kept += block
            block = list(islice(predictions, _BLOCK))
    kept.remove()
    said = f", {len(unreadable)} of them unreadable (see the column error)" if unreadable else ""
    said += "".join(f", {flagged[name]} {words}" for name, words in FLAGS.items() if name in doubt.columns)
    fault = f"no image could be predicted, of {len(items)}. {first}" if len(unreadable) == len(items) else ""
    failed = f"{len(unreadable)} of {len(items)} images could not be predicted: {first_of(unreadable)}"
    return WrittenTable(f"{len(items)} images{said}: {out}", fault, failed if unreadable else "", items, all_kept)


def _cells(prediction: Prediction, classes: tuple[str, ...]) -> dict[str, str]:
    """A row of the table, as text."""
    row = row_of(prediction, classes)
    numbers = {key: f"{value:.6g}" for key, value in row.items() if isinstance(value, float)}
    return {**row, **numbers, "path": to_cell(prediction.name)}
