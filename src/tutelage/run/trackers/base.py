"""What a tracker does: it opens a run of its own, takes numbers and files, and closes the run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

Ending = Literal["finished", "stopped", "failed"]


class Tracker(ABC):
    """A run in a tracker. Any method may raise anything; see `Trackers`, which guards them.

    Attributes:
        name: of the tracker, as in `--log`, and of its extra.
        packages: that it needs, by the name they are imported by.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]

    @abstractmethod
    def open(self, home: Path, title: str, known: str | None, settings: Mapping[str, Any]) -> str:
        """Go on with a run of the tracker, or begin one; returns its identifier.

        Args:
            home: the run folder; of a baseline or a fine-tuning, the run that it belongs to.
            title: of the run in the tracker.
            known: the identifier that an earlier part of the training was given.
            settings: all, by dotted name.
        """

    @abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One point of each curve."""

    @abstractmethod
    def keep(self, files: Sequence[Path]) -> None:
        """Keep copies of files with the run."""

    @abstractmethod
    def close(self, ending: Ending) -> None:
        """End the run, or interrupt it."""
