"""The small reports of `evaluate` and `predict` on images."""

from __future__ import annotations

import numpy as np

from tutelage.core.names import shown
from tutelage.inference.images.model import Model
from tutelage.inference.images.predict import WrittenTable
from tutelage.inference.images.scores import ImageScores
from tutelage.results.report.blocks import Block, Cell, Section, Table, Text, Tile, Tiles
from tutelage.results.report.examples import examples_of
from tutelage.results.report.galleries import least_certain
from tutelage.results.report.reasons import reason_sections
from tutelage.results.report.score_plots import confidence_plot
from tutelage.results.report.scores import calibration_section, class_section, mistakes_section, percent, score_tiles

PREDICTED = "predictions for"  # in the title of a page
_MOST_UNREADABLE = 50


def evaluation_sections(model: Model, scores: ImageScores) -> list[Section]:
    """How well a run does on labeled images."""
    metrics, items = scores.metrics, scores.images
    sections = [Section("Result", (score_tiles(metrics, "labeled"),)), class_section(metrics, model.classes, "")]
    examples = examples_of(model, items, scores.predictions, total=len(items))
    if examples is not None:
        sections.append(calibration_section(examples, "labeled", None, ""))
        sections.append(mistakes_section(examples, model.classes, "labeled", ""))
    return sections


def prediction_sections(model: Model, written: WrittenTable) -> list[Section]:
    """What a run says of new images: how often each class, how sure it is, and which images to check."""
    items, predictions = written.items, written.predictions
    examples = examples_of(model, items, predictions, total=len(items))
    unreadable = [prediction for prediction in predictions if prediction.probs is None]
    tiles = [Tile("images", f"{len(items):,}", f"{len(unreadable):,} unreadable")]
    sections: list[Section] = []
    if examples is not None:
        confidence = examples.confidence
        tiles.append(Tile("mean confidence", percent(float(confidence.mean()))))
        low = 0.5 if len(model.classes) > 2 else 0.75  # with two classes, the larger of two shares is never below 0.5
        tiles.append(Tile(f"below {low:.0%} confidence", f"{int((confidence < low).sum()):,}", "images worth checking"))
        counts = np.bincount(examples.predicted, minlength=len(model.classes))
        rows = [
            (Cell(shown(model.classes[c])), Cell(f"{counts[c]:,}"), Cell(percent(share), share))
            for c in np.argsort(-counts, kind="stable")
            for share in [float(counts[c] / len(examples))]
        ]
        table = Table(("class", "images", "share"), tuple(rows), "How often each class is predicted", half=True)
        plot = confidence_plot(confidence, "confidence", "Confidence")
        sections.append(Section("Predictions", (plot, table)))
        gallery = least_certain(examples, model.classes, "least-certain")
        sections.append(Section("Least certain images", (Text("Check these first.", muted=True), gallery)))
        sections += reason_sections(model, written)
    if unreadable:
        rows_of = tuple((Cell(shown(p.name)), Cell(shown(p.error))) for p in unreadable[:_MOST_UNREADABLE])
        blocks: list[Block] = [Table(("file", "reason"), rows_of, texts=2)]
        if len(unreadable) > _MOST_UNREADABLE:
            blocks.append(Text(f"The first {_MOST_UNREADABLE} of {len(unreadable):,}.", muted=True))
        sections.append(Section("Unreadable images", tuple(blocks)))
    return [Section("Result", (Tiles(tuple(tiles)),)), *sections]
