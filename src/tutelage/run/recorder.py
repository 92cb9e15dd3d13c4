"""Writes log lines, scores and checkpoints of the loop into the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

from torch import nn

from tutelage.core.distributed import barrier
from tutelage.core.errors import CheckpointError, Interrupted
from tutelage.run.curves import Curves
from tutelage.run.folder import RunFolder
from tutelage.run.progress import ProgressLine
from tutelage.run.trackers.trackers import Trackers
from tutelage.tasks.base import Task
from tutelage.training import collapse
from tutelage.training.checkpoint import Checkpoint, optimizer_tensors, restore_optimizer, save_checkpoint
from tutelage.training.pseudo_health import alarm
from tutelage.training.scoring import Exam
from tutelage.training.signals import StopFlag
from tutelage.training.state import Training
from tutelage.training.streak import MOST_STEPS
from tutelage.training.window import Window


class RunRecorder:
    """The recorder of rank 0, the only process that writes."""

    def __init__(
        self,
        folder: RunFolder,
        training: Training,
        progress: ProgressLine,
        stop: StopFlag,
        *,
        task: Task,
        validation: Exam | None,
        start: int,
        trackers: Trackers,
    ) -> None:
        self.folder, self.training, self.progress, self.stop = folder, training, progress, stop
        self.trackers = trackers
        self.task, self.validation = task, validation
        self._evaluated = {row["step"] for row in folder.rows("metrics.jsonl") if row["kind"] == "validation"}
        self._lines = [row for row in folder.rows("metrics.jsonl") if row["kind"] == "training"]
        self._curves = Curves(folder.path / "tensorboard", start=start)

    def __enter__(self) -> RunRecorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._curves.close()

    def tick(self, done: int) -> None:
        """A step is done."""
        self.progress.tick(done)

    def log(self, done: int, means: Mapping[str, float | list[float]]) -> None:
        """Write the averages since the last line, and the speed in a file of its own."""
        rate = self.progress.speed(done)
        row = {"step": done, "kind": "training", **means}
        self.folder.append("metrics.jsonl", row)
        self.folder.append("timing.jsonl", {"step": done, "images_per_second": round(rate, 1)})
        numbers = {name: value for name, value in means.items() if not isinstance(value, list)}
        self.progress.log(done, numbers, rate)
        self._draw("training", done, {**numbers, "images_per_second": rate})
        self._lines = [*self._lines[-MOST_STEPS:], row]
        warning, before = self._alarm(self._lines), self._alarm(self._lines[:-1])
        if warning and not before:
            self.progress.note(f"step {done}: {warning}.")

    def _alarm(self, rows: list[dict[str, Any]]) -> str | None:
        counts = self.training.method.problem.labeled_counts
        total, classes = self.training.total, self.task.classes
        collapsed = collapse.alarm(rows, total=total)
        return collapsed or alarm(rows, total=total, classes=classes, labeled_counts=counts)

    def was_evaluated(self, done: int) -> bool:
        """Whether the scores of that step are written."""
        return self.validation is None or done in self._evaluated

    def evaluate(self, done: int) -> None:
        """Score student and teacher on the validation data; if a signal comes, stop and write nothing."""
        try:
            self._evaluate(done)
        except Interrupted:
            pass  # the flag stays set, and the loop saves
        finally:
            barrier()

    def _evaluate(self, done: int) -> None:
        if self.validation is None:
            return
        scores = {name: self._score(self.validation, network) for name, network in networks(self.training).items()}
        self.folder.append("metrics.jsonl", {"step": done, "kind": "validation", **scores})
        self._evaluated.add(done)
        headline = {name: score[self.task.headline] for name, score in scores.items() if self.task.headline in score}
        self.progress.scored(done, self.task.headline.replace("_", " "), headline)
        for name, score in scores.items():
            self._draw(f"validation/{name}", done, score)

    def _draw(self, prefix: str, done: int, values: Mapping[str, float]) -> None:
        self._curves.add(prefix, done, values)
        self.trackers.log(prefix, done, values)

    def _score(self, exam: Exam, network: nn.Module) -> dict[str, float]:
        grades = exam.score(network, method=self.training.method, check=self.stop.check)
        return {name: value for name, value in grades.metrics.items() if isinstance(value, float)}

    def save(self, done: int, window: Window) -> None:
        """Write a checkpoint of everything the next steps depend on, after the log lines before it are on disk."""
        self.folder.sync("metrics.jsonl")
        checkpoint = take_checkpoint(self.training, done, window)
        save_checkpoint(self.folder.checkpoints, replace(checkpoint, log=self.folder.log_mark()))
        barrier()


class SilentRecorder:
    """The recorder of the other ranks, which wait while rank 0 writes."""

    def tick(self, done: int) -> None:
        """Nothing to show."""

    def log(self, done: int, means: Mapping[str, float | list[float]]) -> None:
        """Nothing to write."""

    def was_evaluated(self, done: int) -> bool:
        """Rank 0 decides."""
        return True

    def evaluate(self, done: int) -> None:
        """Wait for rank 0."""
        barrier()

    def save(self, done: int, window: Window) -> None:
        """Wait for rank 0."""
        barrier()


def networks(training: Training) -> dict[str, nn.Module]:
    """The networks of the method that are scored, by name."""
    found: dict[str, nn.Module] = {"student": training.method.student}
    if training.method.teacher is not None:
        found["teacher"] = training.method.teacher.network
    return found


def take_checkpoint(training: Training, done: int, window: Window) -> Checkpoint:
    """The state after step `done`; `window` is that of all ranks."""
    tensors = {
        **{f"method.{name}": value for name, value in training.method.state_dict().items()},
        **optimizer_tensors(training.optimizer),
        **{f"window.{name}": value for name, value in window.sums.items()},
    }
    scaler = {name: float(value) for name, value in training.scaler.state_dict().items()}
    # the names in order: a file of tensors does not keep it, and log lines need it
    values = {"window_count": window.count, "window_names": list(window.sums), "scaler": scaler}
    return Checkpoint(done, tensors, values)


def restore_checkpoint(training: Training, checkpoint: Checkpoint) -> Window:
    """Load the state of a checkpoint into `training`; returns the sums since the last log line.

    Raises:
        CheckpointError: it is from another network, method or optimizer.
    """
    tensors: Mapping[str, Any] = checkpoint.tensors
    method = {name.removeprefix("method."): value for name, value in tensors.items() if name.startswith("method.")}
    try:
        training.method.load_state_dict(method)
        restore_optimizer(training.optimizer, tensors)
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"the checkpoint of step {checkpoint.step} does not fit: {error}") from None
    if training.scaler.is_enabled():
        state = checkpoint.values["scaler"]
        counts = {name: int(state[name]) for name in ("growth_interval", "_growth_tracker")}
        training.scaler.load_state_dict({**state, **counts})
    sums = {name: tensors[f"window.{name}"] for name in checkpoint.values["window_names"]}
    return Window(sums, checkpoint.values["window_count"]).of_this_rank(training.device)
