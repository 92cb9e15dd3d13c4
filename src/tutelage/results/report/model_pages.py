"""The small reports of `evaluate` and `predict`, by the kind of data that a model takes."""

from __future__ import annotations

from pathlib import Path

from tutelage.core.names import shown
from tutelage.inference.model import Scores, TrainedModel, Written
from tutelage.results.report.blocks import Page, Section, Tile, Tiles
from tutelage.results.report.kinds import PAGES


def evaluation_page(run: Path, data: str, model: TrainedModel, scores: Scores) -> Page:
    """How well a run does on labeled data."""
    sections = PAGES[model.kind].evaluation_sections(model, scores)
    if scores.own:
        tiles = Tiles(tuple(Tile(shown(name), value) for name, value in scores.own_values.items()))
        sections.insert(1, Section("Your metrics", (tiles,)))
    return Page(f"{shown(run.name)} on {shown(Path(data).name)}", _subtitle(model), tuple(sections))


def prediction_page(run: Path, data: str, model: TrainedModel, written: Written) -> Page:
    """What a run makes of new data, and which of it to check."""
    pages = PAGES[model.kind]
    title = f"{shown(run.name)}: {pages.PREDICTED} {shown(Path(data).name)}"
    return Page(title, _subtitle(model), tuple(pages.prediction_sections(model, written)))


def _subtitle(model: TrainedModel) -> str:
    return f"{len(model.classes)} classes · step {model.step:,}"
