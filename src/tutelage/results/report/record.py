"""What a run folder tells, without its weights and its images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tutelage.config import IMPORTED, RunConfig
from tutelage.core.errors import RunError
from tutelage.core.files import read_json
from tutelage.core.headlines import ACCURACY, DICE, NEIGHBORS, Headline
from tutelage.run.build import learns_from_labels, method_class
from tutelage.run.folder import kind_of_data, read_config, read_rows


@dataclass(frozen=True)
class Record:
    """A run to report on, finished or not.

    Attributes:
        name: the last part of its path, to tell it from other runs.
        config: config.json.
        rows: the lines of metrics.jsonl.
        result: result.json, or None while the run is not finished.
        split: split.json.
    """

    path: Path
    name: str
    config: dict[str, Any]
    rows: list[dict[str, Any]]
    result: dict[str, Any] | None
    split: dict[str, Any]

    @cached_property
    def cfg(self) -> RunConfig:
        """The settings."""
        return RunConfig.from_dict(self.config["settings"])

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of their indices."""
        return tuple(self.config["data"]["classes"])

    @property
    def pretrained(self) -> bool:
        """Whether the run learned features without labels."""
        return not learns_from_labels(self.cfg.method)

    @property
    def scans(self) -> bool:
        """Whether the run segments scans."""
        return kind_of_data(self.config) == "scans"

    @property
    def headline(self) -> Headline:
        """The score that networks of the run are compared by."""
        return NEIGHBORS if self.pretrained else DICE if self.scans else ACCURACY

    @property
    def labels(self) -> int:
        """Labels that the run was given: those learned from, and those held out."""
        return len(self.split["labeled"]) + len(self.split["held_out"])

    @property
    def unlabeled(self) -> int:
        """Images that the method learned from without a label: none if it has no such stream."""
        return int(self.split["unlabeled_images"]) if method_class(self.cfg.method).unlabeled_views else 0

    @property
    def without_label(self) -> int:
        """Those of them whose label the method does not learn from elsewhere."""
        also = 0 if self.cfg.data.exclude_labeled or self.pretrained else len(self.split["labeled"])
        return max(self.unlabeled - also, 0)

    @property
    def steps_done(self) -> int:
        """The last step that a log line tells of."""
        return max((row["step"] for row in self.rows), default=0)

    @property
    def evaluated(self) -> str:
        """The network that counts: "student" or "teacher"."""
        return method_class(self.cfg.method).evaluated if self.result is None else str(self.result["evaluated"])

    @property
    def part(self) -> str | None:
        """Which images the run's number is of: test images where there are any, else those that validate."""
        return next((part for part in ("test", "validation") if self.result is not None and part in self.result), None)

    @property
    def scores(self) -> dict[str, Any] | None:
        """The final metrics of the network that counts, on `part`."""
        if self.result is None or self.part is None:
            return None
        scores: dict[str, Any] = self.result[self.part][self.evaluated]
        return scores

    def training_curve(self, key: str) -> tuple[list[int], list[float]]:
        """Steps and values of a scalar in the training lines, where it is there."""
        rows = [row for row in self.rows if row["kind"] == "training" and isinstance(row.get(key), int | float)]
        return [row["step"] for row in rows], [float(row[key]) for row in rows]

    def training_keys(self) -> list[str]:
        """The scalars in the training lines, in their order."""
        return list(
            dict.fromkeys(
                key
                for row in self.rows
                if row["kind"] == "training"
                for key, value in row.items()
                if isinstance(value, int | float) and key != "step"
            )
        )

    def validation_curve(self, network: str, key: str | None = None) -> tuple[list[int], list[float]]:
        """Steps and values of a score (the headline) of `network` ("student", "teacher") in the validation lines."""
        key = key or self.headline.key
        rows = [row for row in self.rows if row["kind"] == "validation" and row.get(network, {}).get(key) is not None]
        return [row["step"] for row in rows], [float(row[network][key]) for row in rows]


def read_record(run: Path) -> Record:
    """The record of the run in the folder `run`.

    Raises:
        RunError: it is no run folder, or of imported weights, or a file in it is damaged or missing.
    """
    config = read_config(run)
    if config["settings"]["method"]["name"] == IMPORTED:
        raise RunError(f"{run} was imported, so there is no training to report on; try tutelage evaluate with --report")
    result, split = run / "result.json", read_json(run / "split.json")
    if not isinstance(split, dict) or not {"labeled", "held_out", "unlabeled_images"} <= set(split):
        raise RunError(f"{run / 'split.json'} is damaged: its keys are not those of a run")
    return Record(
        path=run,
        name=run.resolve().name,
        config=config,
        rows=read_rows(run / "metrics.jsonl"),
        result=read_json(result) if result.exists() else None,
        split=split,
    )
