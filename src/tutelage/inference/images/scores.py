"""The scores of a classifier on labeled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tutelage.core.console import name_column, warn
from tutelage.core.distributed import rank
from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.data.images.items import Item
from tutelage.data.images.source import list_images
from tutelage.inference.images.prediction import Classifier, Prediction, predictions_of
from tutelage.inference.model import Scores, Tell
from tutelage.tasks.class_scores import SCORES
from tutelage.tasks.confusion import confusion_of


@dataclass(frozen=True, eq=False, repr=False)
class ImageScores(Scores):
    """Metrics on labeled images, with the images and a prediction for each."""

    images: Sequence[Item]
    predictions: Sequence[Prediction]

    def print(self, console: Console) -> None:
        """Print the totals, then one row per class."""
        for name, score in SCORES.items():
            if self.metrics.get(name) is not None:
                console.print(f"{name.replace('_', ' '):>18}  {score.precise_form.format(self.metrics[name])}")
        for name, value in self.own_values.items():
            console.print(f"{name:>18}  {value}", markup=False)
        console.print(f"{'images':>18}  {self.metrics['n']}")
        table = Table(name_column("class"))
        for heading in ("precision", "recall", "F1", "images", "most often confused with"):
            table.add_column(heading, justify="right")
        counts = confusion_of(self.metrics)
        assert counts is not None
        for number, name in enumerate(self.classes):
            row = self.metrics["per_class"][name]
            wrong = counts[[number]].toarray()[0]
            wrong[number] = 0
            worst = int(wrong.argmax())
            confused = f"{shown(self.classes[worst])} ({wrong[worst]})" if wrong[worst] else ""
            scores = ["-" if row[key] is None else f"{row[key]:.1%}" for key in ("precision", "recall", "f1")]
            table.add_row(Text(shown(name)), *scores, str(row["support"]), Text(confused))
        console.print(table)


def score_images(
    model: Classifier, data: str, *, labels: str | None, workers: int, tell: Tell | None = None
) -> ImageScores:
    """Score a classifier on the labeled images of a source; images without a label are skipped.

    If the source has splits, its test images are used. Under torchrun, only the first process has the scores.

    Raises:
        DataError: lists all problems: unreadable images, labels that are not classes of the model, no labels.
    """
    items = labeled_items(model, data, labels, tell or warn)
    blocks = model.image_pass(workers=workers).shared(items)
    if rank():
        return ImageScores(model.classes, {}, (), items, list(predictions_of(items, blocks, model.classes)))
    predictions = list(predictions_of(items, blocks, model.classes))
    faults = [f"{shown(item.place)} {p.error}" for item, p in zip(items, predictions, strict=True) if p.probs is None]
    if faults:
        raise DataError(faults)
    own = tuple(metric.name for metric in model.task.own_metrics)
    return ImageScores(model.classes, _metrics(model, items, predictions), own, items, predictions)


def labeled_items(model: Classifier, data: str, labels: str | None, tell: Tell) -> list[Item]:
    """The labeled images of a source; of one with splits, the test images.

    Raises:
        DataError: lists all faults of the listing, and labels that are not classes of the model.
    """
    listing = list_images(data, labels, role="test")
    for warning in listing.warnings:
        tell(f"warning: {warning}")
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
    return items


def _metrics(model: Classifier, items: Sequence[Item], predictions: Sequence[Prediction]) -> dict[str, Any]:
    index = {name: number for number, name in enumerate(model.classes)}
    metrics = model.task.metrics()
    probs = np.stack([p.probs for p in predictions if p.probs is not None])
    metrics.update(torch.from_numpy(probs), torch.tensor([index[str(item.label)] for item in items]))
    return metrics.compute()
