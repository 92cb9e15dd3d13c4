"""What a report says of runs on images, besides what it says of all runs; `scan_sections` has the same names."""

from __future__ import annotations

from collections.abc import Sequence

from tutelage.results.report.blocks import Section, Text
from tutelage.results.report.embedding_map import run_map
from tutelage.results.report.examples import Looked, look_at
from tutelage.results.report.galleries import least_certain
from tutelage.results.report.scores import calibration_section, class_section, mistakes_section, score_tiles
from tutelage.run.calibrated import calibration_said
from tutelage.run.run_record import RunRecord

__all__ = ["LOGGED", "OUT", "comparison_pictures", "look", "map_section", "score_sections", "score_tiles"]
OUT = "predictions.csv"  # of `tutelage predict`
LOGGED: dict[str, str] = {}  # titles of logged values, where their names do not tell


def look(record: RunRecord, *, device: str, most: int, patience: float = 1.0) -> Looked:
    """What the model says of some of the images."""
    return look_at(record, device=device, most=most, patience=patience)


def map_section(record: RunRecord, looked: Looked, name: str, *, device: str, patience: float = 1.0) -> Section | None:
    """The map of the images, where there are some to look at."""
    return run_map(record, looked, name, device=device, patience=patience)


def score_sections(record: RunRecord, looked: Looked, prefix: str) -> list[Section]:
    """How well classes are told apart, which mistakes are made, and which images are the least certain."""
    if record.pretrained:
        return []
    sections = [class_section(record.scores, record.classes, prefix)] if record.scored else []
    if looked.scored is not None:
        how = None if record.result is None else calibration_said(record.result)
        sections.append(calibration_section(looked.scored, looked.scored_part, looked.unlabeled, prefix, how=how))
        sections.append(mistakes_section(looked.scored, record.classes, looked.scored_part, prefix))
    if looked.unlabeled is not None:
        few = looked.unlabeled
        about = f"Among {few.said} unlabeled images, the least certain ones; they are good candidates to label next."
        gallery = least_certain(few, record.classes, f"{prefix}least-certain")
        sections.append(Section("Least certain unlabeled images", (Text(about, muted=True), gallery)))
    return sections


def comparison_pictures(records: Sequence[RunRecord]) -> list[Section]:
    """None: tables and curves say how runs on images differ."""
    return []
