"""What the loop asks of the two things it is given: where batches come from, and where results go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tutelage.core.batch import Batch
from tutelage.training.window import Window


class Batches(Protocol):
    """A source of batches: `ImageLoader` for images, `ScanLoader` for scans."""

    def batch(self, step: int) -> Batch:
        """The batch of `step`, on the device; a pure function of the step."""

    @property
    def images_per_step(self) -> int:
        """Images or patches per step, of both streams and all ranks."""

    def rows_at(self, step: int) -> dict[str, list[int]]:
        """The rows that each stream reads at `step`, of all ranks."""

    def close(self) -> None:
        """Stop the loader's threads."""


class Recorder(Protocol):
    """Keeps what a run produces. The loop itself knows nothing of files.

    `done` is always the number of optimizer steps taken so far.
    """

    def tick(self, done: int) -> None:
        """Note that a step is done."""

    def log(self, done: int, means: Mapping[str, float | list[float]]) -> None:
        """Write the averages over all ranks and all steps since the last log line."""

    def evaluate(self, done: int) -> None:
        """Score the networks on the validation data; if a signal comes, stop and write nothing."""

    def was_evaluated(self, done: int) -> bool:
        """Whether the scores of that step are written already."""

    def save(self, done: int, window: Window) -> None:
        """Write a checkpoint; `window` holds the sums of all ranks."""
