"""A run folder as a Python object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup

from tutelage.core.errors import RunError
from tutelage.core.html import html_table, paragraph
from tutelage.core.names import shown
from tutelage.inference.images.model import Model
from tutelage.inference.load import load_model
from tutelage.inference.scans.model import ScanModel
from tutelage.results.verdict.verdict import Verdict, read_verdict
from tutelage.run.estimate import BY_TRIAL, KEY
from tutelage.run.run_record import RunRecord


@dataclass(frozen=True)
class Score:
    """How good the model of a run is, in one number.

    Attributes:
        name: of the metric, e.g. "accuracy", "balanced accuracy", "Dice".
        value: in [0, 1].
        part: what it was computed on. "cross_validation" and "trial" are estimates from labels that it learned from.
        n: the number of images, labels or scans.
        standard_error: of an estimate; None of others.
        by: what computed an estimate, in words.
    """

    name: str
    value: float
    part: Literal["test", "validation", "cross_validation", "trial"]
    n: int
    standard_error: float | None = None
    by: str | None = None

    def __str__(self) -> str:
        where = f"{self.part} set of {self.n}"
        if self.by is not None:
            where = f"{self.n} labels by {self.by}, an estimate"
        return f"{self.name} {self.value:.1%} ({where})"


@dataclass(frozen=True, repr=False)
class Run:
    """A run folder. After a fine-tuning that was kept, scores, curves and model are those of the fine-tuned network."""

    path: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved settings, facts about the data, plan and versions."""
        return RunRecord(self.path).config

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The final metrics by part, "test" and "validation", each by network, if there were labeled items to score on.

        A head on frozen features also has "cross_validation", if it was cross-validated on its labels: a metric, its
        value and standard error, the number of labels, and how it was computed. It is an estimate and no test score.

        Raises:
            RunError: the run is not finished.
        """
        return RunRecord(self.path).best.final

    @property
    def kept(self) -> dict[str, str] | None:
        """Which network predicts after a fine-tuning, as "kept": "head" or "finetuned", and the "reason"; else None."""
        return RunRecord(self.path).kept

    @property
    def score(self) -> Score | None:
        """The test score; without one, the validation score; without one, an estimate from the labels; else None.

        Raises:
            RunError: the run is not finished.
        """
        record = RunRecord(self.path).best
        _ = record.final
        value = record.score_of(record.evaluated)
        if record.scored and value is not None:
            part: Any = record.part
            return Score(record.headline.words, value, part, int(record.scores["n"]))
        if (found := record.estimate) is not None:
            part = "trial" if found.by == BY_TRIAL else KEY
            return Score(found.metric, found.value, part, found.labels, found.standard_error, found.by)
        return None

    def history(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return RunRecord(self.path).best.rows

    def model(self, *, network: str = "auto", device: str = "auto") -> Model | ScanModel:
        """The trained model; see `Model.load` and `ScanModel.load`."""
        return load_model(RunRecord(self.path).best.path, network=network, device=device)

    @property
    def verdict(self) -> Verdict | None:
        """Whether the unlabeled images helped, of a run with `baseline=True`; else None.

        Raises:
            RunError: the file is damaged.
        """
        return read_verdict(self.path)

    def _repr_html_(self) -> str:
        try:
            record = RunRecord(self.path).best
            rows: list[tuple[str, object]] = [
                ("method", record.method),
                ("network", record.cfg.network.name),
                ("data", record.cfg.data.path),
                ("steps", f"{record.steps_done:,} of {record.steps:,}"),
            ]
            rows += [] if record.result is None else [("score", self.score or "none")]
            rows += [] if self.kept is None else [("predicts", f"{self.kept['kept']}: {self.kept['reason']}")]
            verdict = self.verdict
        except RunError as error:
            return paragraph(f"{self.path} is not a run folder: {error}")
        said = Markup("") if verdict is None else Markup(verdict._repr_html_())
        return html_table((), rows, f"Run {self.path}") + said

    def __repr__(self) -> str:
        try:
            record = RunRecord(self.path).best
            tuned = " (the fine-tuned network)" if record.path != self.path else ""
            what = f"{shown(record.method)}{tuned}, step {record.steps_done:,} of {record.steps:,}"
            said = what if record.result is None else f"{what}; {self.score or 'no score'}"
        except RunError:
            said = "not a run folder"
        return f"<tutelage.Run '{shown(str(self.path))}': {said}>"
