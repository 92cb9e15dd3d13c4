"""What a run and its supervised twin left in their folders, read for a diagnosis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutelage.core.batch import UNLABELED_LOSS
from tutelage.core.files import read_json
from tutelage.core.headlines import DICE, Headline, headline_of
from tutelage.run.folder import read_config, read_rows

Rows = list[dict[str, Any]]
MAIN_WEIGHTS = ("consistency_weight", "unlabeled_weight")  # of an unlabeled loss, by their usual names


@dataclass(frozen=True)
class Record:
    """The finished run in a folder.

    Attributes:
        settings: resolved, by section.
        scores: metrics of the evaluated network on `part`.
        training, validation: the lines of metrics.jsonl.
    """

    path: Path
    settings: Mapping[str, Any]
    classes: tuple[str, ...]
    steps: int
    part: str
    result: Mapping[str, Any]
    split: Mapping[str, Any]
    training: Rows
    validation: Rows

    @staticmethod
    def read(run: Path) -> Record:
        """The record of a run that is finished and was scored on something.

        Raises:
            RunError: a file is not there, or damaged.
        """
        config, result = read_config(run), read_json(run / "result.json")
        rows = read_rows(run / "metrics.jsonl")
        return Record(
            path=run,
            settings=config["settings"],
            classes=tuple(config["data"]["classes"]),
            steps=int(config["plan"]["steps"]),
            part="test" if "test" in result else "validation",
            result=result,
            split=read_json(run / "split.json"),
            training=[row for row in rows if row["kind"] == "training"],
            validation=[row for row in rows if row["kind"] == "validation"],
        )

    @property
    def scored(self) -> bool:
        """Whether there were labeled images to score on."""
        return self.part in self.result

    @property
    def evaluated(self) -> str:
        """The network that counts."""
        return str(self.result["evaluated"])

    @property
    def scores(self) -> Mapping[str, Any]:
        """Final metrics of the evaluated network."""
        scores: Mapping[str, Any] = self.result[self.part][self.evaluated]
        return scores

    @property
    def headline(self) -> Headline:
        """The score that the run is compared by."""
        return headline_of(self.result)

    @property
    def score(self) -> float:
        """That score of the evaluated network; 0 where it is defined for no case."""
        return float(self.scores[self.headline.key] or 0.0)

    def score_of(self, network: str) -> float | None:
        """That score of "student" or "teacher", where there is such a network."""
        scores = self.result[self.part].get(network)
        return None if scores is None or scores[self.headline.key] is None else float(scores[self.headline.key])

    def setting(self, name: str) -> Any:
        """The setting of that name of the method, or None where it has none."""
        return self.settings["method"].get(name)

    def mean(self, key: str, *, since: float = 0.5) -> float | None:
        """The mean of a logged value after that share of the training, or None where it is not logged."""
        values = [
            float(row[key])
            for row in self.training
            if row["step"] > since * self.steps and isinstance(row.get(key), int | float)
        ]
        return math.fsum(values) / len(values) if values else None


@dataclass(frozen=True)
class Evidence:
    """A semi-supervised run beside its supervised twin."""

    run: Record
    twin: Record

    @property
    def headline(self) -> Headline:
        """The score that both are compared by."""
        return self.run.headline

    @property
    def ignorance(self) -> float:
        """The supervised loss of a guess that knows nothing: in nats, or of scans the Dice loss of finding nothing."""
        if self.headline == DICE:  # next to it, the cross-entropy of naming the background everywhere is small
            return float(self.run.settings["segmentation"]["dice_weight"])
        return math.log(len(self.run.classes))

    @property
    def clueless(self) -> str:
        """What has that loss, in a word or two."""
        return "finding nothing" if self.headline == DICE else "guessing"

    @property
    def guess(self) -> float | None:
        """The accuracy of always naming the most frequent class of the scored images; None of scans."""
        if "confusion_matrix" not in self.run.scores:
            return None
        counts = [sum(row) for row in self.run.scores["confusion_matrix"]]
        return max(counts) / max(sum(counts), 1)

    def weighted_unlabeled_loss(self) -> float | None:
        """What the unlabeled data add to the loss, on average over the run, or None where the log does not say.

        Runs before the column `unlabeled_loss` logged a cost and its weight under names of their own.
        """
        run = self.run
        added = run.mean(UNLABELED_LOSS, since=0.0)
        if added is not None:
            return added
        consistency, weight = run.mean("consistency", since=0.0), run.mean("consistency_weight", since=0.0)
        if consistency is not None and weight is not None:
            return consistency * weight
        unsupervised, factor = run.mean("unsupervised", since=0.0), run.setting("unlabeled_weight")
        return None if unsupervised is None or factor is None else unsupervised * float(factor)

    def unlabeled_weight(self) -> tuple[str, float] | None:
        """Name and value of the setting that weighs the unlabeled loss, or None where the method has none.

        Where a method has several weights, the first one that it declares is its main one.
        """
        settings = self.run.settings["method"]
        names = [*MAIN_WEIGHTS, *(name for name in settings if name.endswith("_weight"))]
        known = ((name, settings.get(name)) for name in names)
        return next(((name, float(value)) for name, value in known if isinstance(value, int | float)), None)
