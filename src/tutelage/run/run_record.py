"""A run as its folder tells of it: what it was trained on and how, and what came of it."""

from __future__ import annotations

import math
import os
from functools import cached_property
from pathlib import Path
from typing import Any

from tutelage.config import IMPORTED, RunConfig
from tutelage.core.errors import RunError
from tutelage.core.headlines import NEIGHBORS, Headline, headline_of
from tutelage.core.inputs import real_path
from tutelage.core.sealed import read_sealed
from tutelage.core.wording import option
from tutelage.data.kinds import DataKind, kind_of
from tutelage.run.estimate import Estimate
from tutelage.run.method_by_name import learns_from_labels, method_class
from tutelage.run.own_content import METRICS, RESULT, refuse_damaged
from tutelage.run.run_files import Rows, read_config, read_if_there, read_result, read_rows, read_split

BASELINE_FOLDER = "baseline"  # in a run: the supervised run that it is compared with
TUNED_FOLDER = "finetuned"  # in a run on a frozen network: the run that fine-tuned it
KEPT_FILE = "kept.json"  # which of the two predicts


class RunRecord:
    """What a run folder says about its run, finished or not.

    Each file is read when it is first asked for, checked, and kept. Every error names the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def name(self) -> str:
        """The last part of its path, to tell it from other runs."""
        return real_path(self.home).name

    @property
    def home(self) -> Path:
        """The folder that its baseline, verdict and name belong to: that of the run that a fine-tuning lies in."""
        above = self.path.parent
        return above if self.path.name == TUNED_FOLDER and (above / "config.json").exists() else self.path

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json: resolved settings, plan, data facts and versions.

        Raises:
            RunError: this is not a run folder, or one of a newer format, or the file is damaged.
        """
        return read_config(self.path)

    @property
    def settings(self) -> dict[str, Any]:
        """The resolved settings by section, as they were written."""
        settings: dict[str, Any] = self.config["settings"]
        return settings

    @cached_property
    def cfg(self) -> RunConfig:
        """The resolved settings."""
        return RunConfig.from_dict(self.settings)

    @property
    def data(self) -> dict[str, Any]:
        """Facts about the data: classes, channels, size, fingerprint."""
        facts: dict[str, Any] = self.config["data"]
        return facts

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of their indices."""
        return tuple(self.data["classes"])

    @property
    def kind(self) -> DataKind:
        """The kind of data that the run was trained on."""
        return kind_of(self.data)

    @property
    def steps(self) -> int:
        """The planned number of optimizer steps."""
        return int(self.config["plan"]["steps"])

    @property
    def method(self) -> str:
        """The name of the method."""
        return str(self.settings["method"]["name"])

    @property
    def imported(self) -> bool:
        """Whether the weights were imported, so that there was no training."""
        return self.method == IMPORTED

    @property
    def pretrained(self) -> bool:
        """Whether the run learned features without labels."""
        return not learns_from_labels(self.method)

    def setting(self, name: str) -> Any:
        """The method's setting of that name, or None if it has none."""
        return self.settings["method"].get(name)

    @cached_property
    def split(self) -> dict[str, Any]:
        """split.json: which items are labeled, held out and unlabeled.

        Raises:
            RunError: the file is missing or damaged.
        """
        return read_split(self.path)

    @property
    def labels(self) -> int:
        """The number of labels that the run was given: those it learned from and those held out."""
        return len(self.split["labeled"]) + len(self.split["held_out"])

    @property
    def unlabeled(self) -> int:
        """The number of items that the method learned from without a label; 0 if it has no unlabeled stream."""
        return int(self.split["unlabeled_images"]) if method_class(self.method).unlabeled_views else 0

    @property
    def without_label(self) -> int:
        """The number of those items whose label the method does not learn from elsewhere."""
        also = 0 if self.cfg.data.exclude_labeled or self.pretrained else len(self.split["labeled"])
        return max(self.unlabeled - also, 0)

    @cached_property
    def rows(self) -> Rows:
        """The lines of metrics.jsonl.

        Raises:
            RunError: the file is damaged.
        """
        self.refuse_damaged(METRICS)
        return read_rows(self.path / METRICS)

    def refuse_damaged(self, *names: str) -> None:
        """Compare files with their hashes in result.json, as far as both are there; see `refuse_damaged`."""
        for name in names:
            if self.finished and (content := read_if_there(self.path / name)) is not None:
                refuse_damaged(self.path, name, content)

    @cached_property
    def training(self) -> Rows:
        """The lines of metrics.jsonl about training."""
        return [row for row in self.rows if row["kind"] == "training"]

    @cached_property
    def validation(self) -> Rows:
        """The lines of metrics.jsonl with validation scores."""
        return [row for row in self.rows if row["kind"] == "validation"]

    @property
    def steps_done(self) -> int:
        """The step of the last line in metrics.jsonl."""
        return max((row["step"] for row in self.rows), default=0)

    def mean(self, key: str, *, since: float = 0.5) -> float | None:
        """The mean of a logged value after that share of the training, or None if it is not logged."""
        values = [
            float(row[key])
            for row in self.training
            if row["step"] > since * self.steps and isinstance(row.get(key), int | float)
        ]
        return math.fsum(values) / len(values) if values else None

    @property
    def finished(self) -> bool:
        """Whether the final metrics are there now, be it in a file that cannot be read: it is never written anew."""
        return os.path.lexists(self.path / RESULT)

    @cached_property
    def result(self) -> dict[str, Any] | None:
        """result.json: the final metrics; None while the run is not finished.

        Raises:
            RunError: the file is damaged.
        """
        return read_result(self.path) if self.finished else None

    @property
    def final(self) -> dict[str, Any]:
        """The final metrics.

        Raises:
            RunError: the run is not finished.
        """
        if self.result is None:
            raise RunError(f"{self.path} is not finished; continue with {option('resume', self.path)}")
        return self.result

    @property
    def headline(self) -> Headline:
        """The score that runs of this kind are compared by."""
        if self.result is not None and "headline" in self.result:
            return headline_of(self.result)
        return NEIGHBORS if self.pretrained else self.kind.headline

    @property
    def evaluated(self) -> str:
        """The network that is scored and predicts: "student" or "teacher"."""
        return method_class(self.method).evaluated if self.result is None else str(self.result["evaluated"])

    @property
    def part(self) -> str | None:
        """The items that were scored: "test" if there are any, else "validation", else None."""
        return next((part for part in ("test", "validation") if self.result is not None and part in self.result), None)

    @property
    def networks(self) -> dict[str, dict[str, Any]]:
        """The final metrics on `part` by network; empty if nothing was scored."""
        networks: dict[str, dict[str, Any]] = self.final[self.part] if self.part is not None else {}
        return networks

    @property
    def scored(self) -> bool:
        """Whether the run is finished and there were labeled items to score on."""
        return bool(self.networks) and bool(self.scores["n"])

    @property
    def scores(self) -> dict[str, Any]:
        """The final metrics of the evaluated network on `part`; empty if nothing was scored."""
        return self.networks.get(self.evaluated, {})

    @property
    def score(self) -> float:
        """The headline of the evaluated network; 0 if it is not defined for any item."""
        return self.score_of(self.evaluated) or 0.0

    def score_of(self, network: str) -> float | None:
        """The headline of "student" or "teacher", or None if there is no such network."""
        value = self.networks.get(network, {}).get(self.headline.key)
        return None if value is None else float(value)

    @property
    def estimate(self) -> Estimate | None:
        """The cross-validated score of a head on frozen features, if there is one."""
        return Estimate.in_facts(self.result)

    @property
    def verdict(self) -> dict[str, Any] | None:
        """verdict.json, or None if the run was not compared with a baseline."""
        path = self.home / "verdict.json"
        return read_sealed(path) if os.path.lexists(path) else None

    @property
    def baseline(self) -> RunRecord | None:
        """The supervised run inside this one, if it is finished."""
        baseline = RunRecord(self.home / BASELINE_FOLDER)
        return baseline if baseline.finished else None

    @property
    def kept(self) -> dict[str, str] | None:
        """kept.json: whether the head or the fine-tuned network predicts, and why; None if that was not decided."""
        path = self.path / KEPT_FILE
        return read_sealed(path) if os.path.lexists(path) else None

    @property
    def best(self) -> RunRecord:
        """The run that predicts: the fine-tuning inside this one if it was kept, otherwise this one."""
        kept = self.kept
        return RunRecord(self.path / TUNED_FOLDER) if kept is not None and kept.get("kept") == "finetuned" else self

    @property
    def trial(self) -> str | None:
        """What a trial on held-out labels found, in words, if this run is a fine-tuning that began with one."""
        said: str | None = self.data.get("trial")
        return said

    @property
    def validation_score(self) -> float | None:
        """The headline of the evaluated network on the validation items; None without them."""
        networks = {} if self.result is None else self.result.get("validation", {})
        value = networks.get(self.evaluated, {}).get(self.headline.key)
        return None if value is None else float(value)
