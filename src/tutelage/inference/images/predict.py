"""Predictions for images as a CSV file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tutelage.core.distributed import rank
from tutelage.core.files import atomic_file
from tutelage.core.names import counted, first_of, shown, to_cell
from tutelage.core.tables import csv_bytes
from tutelage.data.images.items import Item
from tutelage.inference.images.doubt import FLAGS, LIKE, NO_DOUBT, Doubt
from tutelage.inference.images.explain.explain import MapWriter
from tutelage.inference.images.explain.folder import HeatMaps
from tutelage.inference.images.kept_blocks import KeptBlocks
from tutelage.inference.images.prediction import Classifier, Prediction, predictions_of, row_of
from tutelage.inference.model import Tell, Written

_BLOCK = 256  # rows that are written at once


@dataclass(frozen=True)
class WrittenTable(Written):
    """The images that were predicted, the predictions if they were kept, and heat maps if they were made."""

    items: Sequence[Item]
    predictions: Sequence[Prediction]
    heat: HeatMaps | None = None


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
    maps: MapWriter | None = None,
) -> WrittenTable:
    """Write `path, label, confidence, p_<class>..., error`, one row per image.

    If an image cannot be read, its row has only the reason, under `error`; the other images are still predicted. Under
    torchrun, only the first process writes.

    Args:
        kept: where the predictions of many images are until the table is complete.
        keep: keep all predictions in memory; otherwise memory use does not grow with the number of images.
        tell: receives lines that say how many images are done.
        doubt: what else is said of each image, in columns before `error`.
        maps: writes heat maps of the least certain images.
    """
    columns = ["path", "label", "confidence", *(f"p_{name}" for name in model.classes), *doubt.columns, "error"]
    blocks = model.image_pass(workers=workers, features=doubt.needs_features).kept(items, kept, tell)
    predictions = predictions_of(items, blocks, model.classes, doubt)
    if rank():
        return WrittenTable("", "", "", items, list(predictions))
    unreadable: list[str] = []  # only names, of which there may be many
    flagged: Counter[str] = Counter()
    first, done = "", 0
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
            if maps is not None:
                maps.look(done, (one.probs for one in block))
            done += len(block)
            if keep:
                all_kept += block
            block = list(islice(predictions, _BLOCK))
    kept.remove()
    said = f", {len(unreadable)} of them unreadable (see the column error)" if unreadable else ""
    said += "".join(f", {flagged[name]} {words}" for name, words in FLAGS.items() if name in doubt.columns)
    fault = f"no image could be predicted, of {len(items)}. {first}" if len(unreadable) == len(items) else ""
    failed = f"{len(unreadable)} of {len(items)} images could not be predicted: {first_of(unreadable)}"
    heat = None if maps is None else maps.write(items)
    said = f"{counted(len(items), 'image')}{said}: {out}" + ("" if heat is None else f"\n{heat.said}")
    return WrittenTable(said, fault, failed if unreadable else "", items, all_kept, heat)


def _cells(prediction: Prediction, classes: tuple[str, ...]) -> dict[str, str]:
    """A row of the table, as text."""
    row = row_of(prediction, classes)
    numbers = {key: f"{value:.6g}" for key, value in row.items() if isinstance(value, float)}
    like = {LIKE: to_cell(row[LIKE])} if row.get(LIKE) else {}
    return {**row, **numbers, **like, "path": to_cell(prediction.name)}
