"""Which rows a step sees: a pure function of (seed, stream, step)."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch

from tutelage.core.seeding import generator


class Sampler(ABC):
    """The rows of one stream, step by step; `batch` of them per step, over all ranks."""

    batch: int

    @abstractmethod
    def rows_at(self, step: int) -> np.ndarray:
        """(batch,) int64: the rows of step `step`."""


class StreamSampler(Sampler):
    """Endless passes over the rows of one stream; each pass is a new permutation.

    A batch takes the next `batch` rows and continues with the next pass if needed. So a stream smaller than a batch
    repeats rows within the batch, as in the published recipes for 40 labels with batches of 64.

    Args:
        rows: (n,) int64, rows of the training set; at least one.
        batch: rows per step, over all ranks.
        stream: its name, so that two streams over the same rows differ.
    """

    def __init__(self, rows: np.ndarray, batch: int, *, seed: int, stream: str) -> None:
        if len(rows) == 0 or batch < 1:
            raise ValueError(f"stream '{stream}' has {len(rows)} rows and batches of {batch}")
        self.rows, self.batch, self.seed, self.stream = rows, batch, seed, stream
        self._kept: dict[int, np.ndarray] = {}

    def rows_at(self, step: int) -> np.ndarray:
        """(batch,) int64: the rows of step `step`."""
        n, parts = len(self.rows), []
        position, end = step * self.batch, (step + 1) * self.batch
        while position < end:
            number, start = divmod(position, n)
            stop = min(n, start + end - position)
            parts.append(self._permutation(number)[start:stop])
            position += stop - start
        return self.rows[np.concatenate(parts)]

    def _permutation(self, number: int) -> np.ndarray:
        kept = self._kept.get(number)
        if kept is None:
            draw = generator(self.seed, self.stream, "pass", number)
            kept = torch.randperm(len(self.rows), generator=draw).numpy()
            # a single assignment, since several threads fetch at once
            self._kept = {p: order for p, order in self._kept.items() if abs(p - number) == 1} | {number: kept}
        return kept


class ClassSampler(Sampler):
    """Each class equally often: every round takes one row of each class, in random order.

    The rows of a class are sampled as in `StreamSampler`, so the rows of a small class repeat more often.

    Args:
        rows: (n,) int64, rows of the training set; at least one.
        labels: (n,) their classes; classes without rows are skipped.
        batch: rows per step, over all ranks.
        stream: its name, so that two streams over the same rows differ.
    """

    def __init__(self, rows: np.ndarray, labels: np.ndarray, batch: int, *, seed: int, stream: str) -> None:
        if len(rows) == 0 or batch < 1:
            raise ValueError(f"stream '{stream}' has {len(rows)} rows and batches of {batch}")
        self.batch, self.seed, self.stream = batch, seed, stream
        self.classes = [
            StreamSampler(rows[labels == label], 1, seed=seed, stream=f"{stream} of class {label}")
            for label in np.unique(labels).tolist()
        ]

    def rows_at(self, step: int) -> np.ndarray:
        """(batch,) int64: the rows of step `step`."""
        n = len(self.classes)
        first, last = step * self.batch, (step + 1) * self.batch
        rounds = range(first // n, (last - 1) // n + 1)
        rows = np.concatenate([self._round(number) for number in rounds])
        return rows[first - rounds[0] * n : last - rounds[0] * n]

    def _round(self, number: int) -> np.ndarray:
        """(K,) int64: one row of each class."""
        draw = generator(self.seed, self.stream, "round", number)
        order = torch.randperm(len(self.classes), generator=draw).tolist()
        return np.concatenate([self.classes[position].rows_at(number) for position in order])
