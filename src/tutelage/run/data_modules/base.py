"""What a session needs from its data, whatever their kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from tutelage.config import RunConfig
from tutelage.core.errors import ConfigError
from tutelage.data.check import CheckReport
from tutelage.data.images.sample import ImageSample
from tutelage.data.kinds import DataKind
from tutelage.run.budget import Deadline, TooShort, budget_fault
from tutelage.run.data_modules.foreign import refuse_changed
from tutelage.tasks.base import Task
from tutelage.training.scoring import Exam
from tutelage.training.state import Training

Rows = NDArray[np.int64]


class RunData(Protocol):
    """What data sets of both kinds have; see `ImageDataset`."""

    classes: tuple[str, ...]
    labeled_rows: Rows
    unlabeled_rows: Rows
    notes: list[str]
    fingerprint: str
    facts: dict[str, dict[str, Any]]

    @property
    def channels(self) -> int: ...

    @property
    def has_test(self) -> bool: ...

    def split_record(self) -> dict[str, Any]: ...


class DataModule(ABC):
    """The data of a run: listing, checking, loading, scoring and pictures of one kind.

    A run calls `refuse`, then `settle`, `load` and `decide`, in this order; when a run is resumed,
    `resume` replaces `settle` and `decide`.

    Attributes:
        kind: what is known of it before it is loaded.
        item: what a batch is made of, in the plural.
        smaller: the setting that makes a step cheaper.
        quicker: what makes the final scores cheaper; None: fewer items.
        foreign: sections, or settings by dotted name, that have no meaning for this kind of data.
        these, others: words for this kind of data and for the other one, in messages.
        deadline: of the budget, if there is one, for what is long enough to be given up before it is done.
        lowered: settings of batches, as they were asked for before they were lowered.
        data, task: the data set and the task on it, after `load`.
    """

    kind: ClassVar[DataKind]
    item: ClassVar[str]
    smaller: ClassVar[str]
    quicker: ClassVar[str | None] = None
    foreign: ClassVar[tuple[str, ...]]
    these: ClassVar[str]
    others: ClassVar[str]
    deadline: Deadline | None = None
    lowered: Mapping[str, Any] = MappingProxyType({})
    data: RunData
    task: Task

    def __init__(self, console: Console, device: torch.device) -> None:
        self.console, self.device = console, device

    @property
    def light(self) -> bool:
        """Whether a step is so small that one thread is faster than several."""
        return False

    @staticmethod
    @abstractmethod
    def refuse(cfg: RunConfig) -> None:
        """Refuse a method and settings that are for another kind of data.

        Raises:
            ConfigError: one is not.
        """

    @classmethod
    def refuse_foreign(cls, cfg: RunConfig, only: tuple[str, ...] | None = None) -> None:
        """Refuse settings that have no meaning for this kind of data.

        Args:
            only: look at these of `foreign`; None looks at all.

        Raises:
            ConfigError: one of them is not the default.
        """
        foreign = cls.foreign if only is None else tuple(name for name in cls.foreign if name in only)
        refuse_changed(cfg, foreign, cls.others, cls.these)

    @staticmethod
    @abstractmethod
    def check(cfg: RunConfig, *, workers: int) -> CheckReport:
        """List and read everything that a run would use, and collect all faults and warnings."""

    @staticmethod
    @abstractmethod
    def check_runs(configs: Mapping[str, RunConfig], console: Console) -> None:
        """Check the data once for several runs, then whether each run has enough labels and images.

        Args:
            configs: by name of the run.

        Raises:
            TutelageError: the data has faults, there are fewer labels than requested, an unlabeled stream cannot be
                filled, or there is nothing to score on.
        """

    @abstractmethod
    def preview(self, cfg: RunConfig, count: int) -> tuple[RunConfig, ImageSample]:
        """The settings as a training would decide them, and some images as it would prepare them; reasons are printed.

        Raises:
            ConfigError: there are no such previews of this kind of data.
            DataError: with all faults.
        """

    @abstractmethod
    def settle(self, cfg: RunConfig, run: Path) -> RunConfig:
        """Check the data, on rank 0, and choose the method if it is `auto`.

        Args:
            run: folder in which a cache may be made.

        Raises:
            DataError: with all faults.
        """

    @abstractmethod
    def load(self, cfg: RunConfig, run: Path) -> None:
        """Decode the data that training needs."""

    @abstractmethod
    def decide(self, cfg: RunConfig) -> RunConfig:
        """The settings with everything decided that depends on the data, so that config.json shows it."""

    @abstractmethod
    def resume(self, cfg: RunConfig, recorded: Mapping[str, Any], run: Path) -> None:
        """After `load`: restore what config.json `recorded`, the files of `save`, and the data do not determine."""

    def save(self, run: Path) -> None:  # noqa: B027 - most kinds have no such files
        """Write files that belong to the run and do not change while it trains."""

    def finish(self, training: Training, run: Path) -> None:  # noqa: B027 - most kinds have no such files
        """Write files on the trained network, after it is scored."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What config.json records for this kind of data only, ready for JSON."""

    @abstractmethod
    def draw_views(self, cfg: RunConfig, out: Path) -> None:
        """Write a picture of some rows under the views of the method."""

    @abstractmethod
    def network(self, cfg: RunConfig, *, published: bool) -> nn.Module:
        """The network of the settings with weights from the seed; see `build_predictor`."""

    @abstractmethod
    def start(self, network: nn.Module, origin: Path | None) -> None:
        """Initialize a new network: with the weights of the run `origin`, or from the data."""

    @abstractmethod
    def training(self, cfg: RunConfig, network: nn.Module, *, steps: int) -> Training:
        """Everything that training needs."""

    @abstractmethod
    def names_at(self, training: Training, step: int) -> Iterator[tuple[str, list[str]]]:
        """The streams of a step, each with the names of its rows."""

    @classmethod
    def too_short(cls, budget: str, fault: TooShort, *, baseline: bool) -> ConfigError:
        """The fault of a budget that does not hold, with what would help."""
        items, quicker = cls.kind.name, cls.quicker
        said = budget_fault(budget, fault, smaller=cls.smaller, items=items, baseline=baseline, quicker=quicker)
        return ConfigError(said)

    def fit_scores(self, cfg: RunConfig, training: Training, seconds: float) -> RunConfig:
        """The settings with final scores that the budget has time for; what was given is kept, and changes are said.

        Args:
            seconds: that measuring may take.
        """
        return cfg

    @abstractmethod
    def costs(self, training: Training, seconds: float) -> tuple[float, float]:
        """Seconds for one evaluation and for everything after training but the report.

        Args:
            seconds: that measuring may take.
        """

    @abstractmethod
    def validation(self) -> Exam | None:
        """What networks are scored on during training."""

    @abstractmethod
    def final_exams(self, training: Training, run: Path) -> dict[str, Callable[[], Exam]]:
        """What the networks of the last step are scored on, by part; test data is loaded when asked for."""

    @abstractmethod
    def evidence(self, training: Training) -> dict[str, Any]:
        """What a diagnosis needs to know about images and labels, for the result."""

    @abstractmethod
    def view_settings(self, cfg: RunConfig) -> Iterator[tuple[str, list[str]]]:
        """Each view with those of its settings that are not the default."""
