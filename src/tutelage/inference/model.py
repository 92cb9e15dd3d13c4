"""The interface of all trained models, for any kind of data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from markupsafe import Markup
from rich.console import Console
from torch import nn

from tutelage.core.html import html_table
from tutelage.data.images.given_labels import Labels, label_file
from tutelage.tasks.base import Task
from tutelage.tasks.own_metrics import FORM

Tell = Callable[[str], None]  # receives one line of progress
_MOST_CLASSES = 50  # in a notebook


@dataclass(frozen=True, eq=False, repr=False)
class Scores(Mapping[str, Any], ABC):
    """Metrics of a model on labeled data, as a mapping by name, with what a report needs in addition.

    Attributes:
        classes: class names, in the order of the probabilities.
        metrics: by name, ready for JSON.
        own: names of those among them that functions from other packages computed.
        counts: what was scored, in words.
    """

    counts: ClassVar[str] = "images"

    classes: tuple[str, ...]
    metrics: dict[str, Any]
    own: tuple[str, ...]

    def __getitem__(self, name: str) -> Any:
        return self.metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    def __repr__(self) -> str:
        numbers = {name: value for name, value in self.metrics.items() if isinstance(value, int | float)}
        said = ", ".join(
            f"{name} {value:,}" if name == "n" else f"{name} {value:.4g}" for name, value in numbers.items()
        )
        return f"<{type(self).__name__}: {said}>"

    @property
    def own_values(self) -> dict[str, str]:
        """The values of `own`, formatted, by name."""
        return {name: FORM.format(self.metrics[name]) for name in self.own}

    def _repr_html_(self) -> str:
        numbers = [
            (name.replace("_", " "), f"{value:.4g}") for name, value in self.metrics.items() if _is_number(value)
        ]
        return html_table((), numbers, f"Scores on {self.metrics.get('n', 0):,} {self.counts}") + self._per_class()

    def _per_class(self) -> Markup:
        """A table of the numbers of each class, where there are such."""
        found = self.metrics.get("per_class")
        rows = {name: row for name, row in found.items() if isinstance(row, Mapping)} if found else {}
        if not rows:
            return Markup("")
        columns = [name for name, value in next(iter(rows.values())).items() if value is None or _is_number(value)]
        cells = [
            [name, *("-" if row.get(key) is None else f"{row[key]:.4g}" for key in columns)]
            for name, row in list(rows.items())[:_MOST_CLASSES]
        ]
        return html_table(["class", *columns], cells)

    @abstractmethod
    def print(self, console: Console) -> None:
        """Print the metrics as tables."""

    def case_table(self) -> bytes:
        """CSV with the scores of each case; only for kinds of data that accept `csv`."""
        raise TypeError("these scores have no table of cases")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class Written:
    """The result of `TrainedModel.predict_into`, summarized in the sentence `said`.

    Attributes:
        fault: why nothing was predicted at all; empty if something was.
        failed: how many items were not predicted, and which; empty if all were.
    """

    said: str
    fault: str
    failed: str


class TrainedModel(ABC):
    """A trained network with everything it needs to predict.

    Attributes:
        kind: the name of the kind of data it works on, see `DataKind`.
        load_options: arguments of `load` that exist only for this kind of data.
        predict_options, score_options: flags of `predict` and `evaluate` that exist only for this kind of data.
        shared: whether the processes of torchrun share the items.
        own_metrics: import paths of the functions that the run was scored by (`train.metrics`); imported when scoring.
    """

    kind: ClassVar[str]
    load_options: ClassVar[tuple[str, ...]] = ()
    predict_options: ClassVar[tuple[str, ...]] = ()
    score_options: ClassVar[tuple[str, ...]] = ()
    shared: ClassVar[bool] = False

    network: nn.Module
    task: Task
    step: int
    own_metrics: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the probabilities."""
        return self.task.classes

    @abstractmethod
    def score(self, data: str, *, labels: str | None = None, workers: int = 2, tell: Tell | None = None) -> Scores:
        """Score the model on the labeled part of a source, also by the run's own metrics.

        Raises:
            DataError: lists all problems of the data.
            ConfigError: one of the own metrics cannot be imported, or fails.
        """

    @abstractmethod
    def predict_into(
        self,
        data: Any,
        out: Path,
        *,
        workers: int = 2,
        overwrite: bool = False,
        keep: bool = False,
        tell: Tell | None = None,
        **options: Any,
    ) -> Written:
        """Write predictions for a source to `out`.

        Args:
            keep: keep in memory what a report needs.

        Raises:
            DataError: the source does not exist or is empty.
            RunError: `out` cannot be written, or exists and `overwrite` is off.
        """

    def evaluate(self, source: str | Path, *, labels: Labels | None = None, workers: int = 2) -> Scores:
        """Metrics by name on labeled data; see `Classification.metrics` and `SegmentationMetrics.compute`.

        Args:
            source: labeled images or scans, any source that training accepts; of one with splits, the test split.
            labels: of a folder of images, as in `tutelage.train`; of scans, a CSV file or a folder of masks.

        Raises:
            DataError: the source does not exist, an item cannot be read, or a label is not a class of the model.
            ConfigError: one of the run's own metrics cannot be imported, or fails.
        """
        with label_file(labels) as table:
            return self.score(str(source), labels=table, workers=workers)
