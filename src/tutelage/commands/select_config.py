"""The settings of the command select."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tutelage.config.settings import require
from tutelage.core.errors import ConfigError
from tutelage.core.wording import named
from tutelage.curation.selection.choose import STRATEGIES, Strategy


@dataclass(frozen=True, kw_only=True)
class SelectConfig:
    """What is asked for.

    Attributes:
        data: a folder of images, or a source of scans.
        labels: a label table, of scans a table of pairs or a folder of masks; None takes the one in `data`, or the one
            that the run was trained with.
        run: a trained run, whose features and probabilities are used.
        features: a run whose features alone are used.
        ignore_folders: folders are no classes.
    """

    data: str
    count: int
    labels: str | None = None
    run: Path | None = None
    features: Path | None = None
    strategy: Strategy = "auto"
    seed: int = 0
    ignore_folders: bool = False
    workers: int = 2

    def __post_init__(self) -> None:
        whole = isinstance(self.count, int) and not isinstance(self.count, bool)
        require(whole, named("count"), "a whole number", self.count)
        require(self.count >= 1, named("count"), "at least 1", self.count)
        require(self.strategy in STRATEGIES, named("strategy"), f"one of {', '.join(STRATEGIES)}", self.strategy)
        if self.run is not None and self.features is not None:
            raise ConfigError(
                f"{named('run')} and {named('features')} are mutually exclusive: {named('run')} uses the features of "
                "a run and what it predicts, the other its features alone"
            )
