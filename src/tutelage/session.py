"""A run at work, on each rank: what a new run and a resumed one do alike."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from tutelage.build import build_predictor, build_task, build_training, learns_from_labels
from tutelage.config import RunConfig
from tutelage.console import screen
from tutelage.data.dataset import Dataset, Subset, load_dataset
from tutelage.data.inventory import Inventory
from tutelage.data.loader import Normalization, pixel_statistics
from tutelage.distributed import barrier, process_group, rank
from tutelage.errors import Interrupted
from tutelage.tasks.classification import Classification
from tutelage.tasks.representation import FOLDS, Representation
from tutelage.training.folder import RunFolder
from tutelage.training.loop import Training, Window, fit
from tutelage.training.monitor import NeighborExam
from tutelage.training.plan import TRIAL_LENGTH, plan_steps
from tutelage.training.progress import ProgressLine, clock
from tutelage.training.recorder import RunRecorder, SilentRecorder, networks
from tutelage.training.result import final_result, print_result
from tutelage.training.scoring import Exam, ImageExam
from tutelage.training.signals import StopFlag
from tutelage.verdict.gap import measure_gap
from tutelage.verdict.label_fit import measure_label_fit
from tutelage.verdict.pairing import write_scored
from tutelage.warm_start import warm_start

START_IMAGES = 64  # that a network whose start depends on data is given
_IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # what timm's published weights were trained with


class Session:
    """The data, the objects and the phases of a run."""

    dataset: Dataset
    normalization: Normalization
    task: Classification | Representation
    decoding = 0.0  # seconds for each image

    def __init__(self, device: torch.device, console: Console, stop: StopFlag) -> None:
        self.device, self.console, self.stop = device, console, stop

    def load(self, cfg: RunConfig, inventory: Inventory | None, run: Path) -> None:
        """Decode the data, on rank 0 first: it writes the cache that the others map."""
        for turn in (True, False):
            if (rank() == 0) == turn:
                with self.stop.at_once():
                    begin = time.perf_counter()
                    self.dataset = load_dataset(
                        cfg.data,
                        seed=cfg.train.seed,
                        workers=cfg.train.workers,
                        cache_dir=run / "cache",
                        inventory=inventory,
                        needs_labels=learns_from_labels(cfg.method),
                    )
                    images = len(self.dataset.train) + (0 if self.dataset.val is None else len(self.dataset.val))
                    self.decoding = (time.perf_counter() - begin) / images
            barrier()
        for note in self.dataset.notes:
            self.console.print(f"- {note}")
        self.normalization = _normalization(cfg, self.dataset)
        self.task = build_task(self.dataset.classes, cfg.method)

    def build(self, cfg: RunConfig, *, init_from: str | None = None, resuming: bool = False) -> Training:
        """Network, method, optimizer and streams; the network starts from that of the run `init_from`.

        Args:
            resuming: a checkpoint brings all weights, so that published ones are not fetched.
        """
        data = self.dataset
        student = build_predictor(
            cfg,
            num_classes=len(data.classes),
            channels=data.channels,
            image_size=data.image_size,
            published=not resuming and init_from is None,
        )
        if init_from is not None:
            self.normalization = warm_start(student, Path(init_from), data.classes, self.console)
        elif not resuming:
            pixels = data.train.images[np.linspace(0, len(data.train) - 1, START_IMAGES).astype(np.int64)]
            student.start_from(self.normalization(torch.from_numpy(pixels)))
        steps = cfg.train.steps or TRIAL_LENGTH  # with a budget the length is planned later
        training = build_training(cfg, data, self.normalization, self.device, student, steps=steps)
        training.describe_rows = lambda step: _name_rows(training, data, step)
        return training

    def plan(self, training: Training, end: float, eval_every: int | None) -> int:
        """The steps that fit before `end`, in seconds of `time.monotonic`: evaluations and the final scores too."""
        exam, test = self.validation(), self.dataset.test_count
        validation, scored = 0 if exam is None else len(exam), test
        if isinstance(self.task, Representation) and test:
            scored += len(self.dataset.labeled_rows)  # which the test images are compared with
        with self.stop.at_once():
            each = self.scoring_time(training) if validation + test else 0.0
            steps = plan_steps(
                training,
                end - time.monotonic(),
                evaluation=each * validation,
                closing=each * (validation + scored) + self.decoding * test,
                eval_every=eval_every,
            )
        self.console.print(f"- {steps} steps fit the budget; the schedule is stretched to them")
        return steps

    def scoring_time(self, training: Training) -> float:
        """Seconds to score an image with all networks of the method, measured on a few hundred."""
        part = self.dataset.val or Subset(self.dataset.train, self.dataset.labeled_rows)
        few = self.exam(part).first(512)
        few.first(2).score(training.method.student)  # the first time, libraries are imported, which takes seconds
        begin = time.perf_counter()
        few.score(training.method.student)
        return len(networks(training)) * (time.perf_counter() - begin) / len(few)

    def exam(self, part: Subset) -> Exam:
        """A part of the data, to score networks on."""
        if isinstance(self.task, Representation):
            own = Subset(self.dataset.train, self.dataset.labeled_rows)
            bank = None if part.images is self.dataset.train else own
            return NeighborExam(self.task, part, bank, self.normalization, self.device)
        return ImageExam(self.task, part.images.images, part.rows, part.images.labels, self.normalization, self.device)

    def validation(self) -> Exam | None:
        """What networks are scored on while they train; features on all labels, where none are held out."""
        val, data = self.dataset.val, self.dataset
        if not isinstance(self.task, Representation):
            return None if val is None else self.exam(val)
        if val is None and len(data.labeled_rows) >= FOLDS:
            val = Subset(data.train, data.labeled_rows)
        exam = None if val is None else self.exam(val)
        return exam.limited() if isinstance(exam, NeighborExam) else None

    def fit_of_data(self, seed: int) -> dict[str, Any]:
        """What images and labels alone tell of how they go together, for a diagnosis; None where they are too few."""
        images, rows, label = self.dataset.train.images, self.dataset.labeled_rows, self.dataset.train.labels
        val = self.dataset.val
        if val is not None and val.images.images is images:
            rows, label = np.union1d(rows, val.rows), np.maximum(label, val.images.labels)
        gap = measure_gap(images, rows, self.dataset.unlabeled_rows, seed=seed)
        fit = measure_label_fit(images[rows], label[rows], seed=seed)
        return {
            "gap": None if gap is None else dataclasses.asdict(gap),
            "label_fit": None if fit is None else dataclasses.asdict(fit),
        }

    def train(self, training: Training, folder: RunFolder | None, *, start: int, window: Window, begun: float) -> None:
        """Train to the end and write the result."""
        task, data = self.task, self.dataset
        images = training.loader.images_per_step
        try:
            if folder is None:
                fit(training, SilentRecorder(), self.stop, start=start, window=window)
                barrier()
                return
            with (
                ProgressLine(self.console, start=start, total=training.total, images_per_step=images) as progress,
                RunRecorder(
                    folder,
                    training,
                    progress,
                    self.stop,
                    task=task,
                    validation=self.validation(),
                    start=start,
                ) as recorder,
            ):
                fit(training, recorder, self.stop, start=start, window=window)
            parts: dict[str, Callable[[], Exam]] = {}
            if (validation := self.validation()) is not None:
                parts["validation"] = lambda: validation
            if data.has_test:
                parts["test"] = lambda: self.exam(data.load_test())
            scored: dict[str, dict[str, NDArray[Any]]] = {}
            with self.stop.at_once():
                result = final_result(
                    training,
                    task,
                    rows=folder.rows("metrics.jsonl"),
                    parts=parts,
                    keep=lambda part, items: scored.update({part: items}),
                )
                if training.method.labeled_views and training.method.unlabeled_views:
                    result |= self.fit_of_data(training.seed)
            write_scored(folder.path, scored)
            folder.finish(result)
            print_result(result, task, self.console)
            self.console.print(f"{clock(time.monotonic() - begun)} in all; the run is in {folder.path}")
            barrier()
        except Interrupted as stopped:
            if folder is None:
                raise
            raise Interrupted(f"{stopped}; go on with --resume {folder.path}", stopped.exit_code - 128) from None
        finally:
            training.loader.close()


def open_session(stack: ExitStack, device: torch.device, console: Console) -> Session:
    """A session that ends with `stack`: joined with its siblings under torchrun, and obeying signals."""
    stack.enter_context(_deterministic())
    device = stack.enter_context(process_group(device))
    return Session(device, console if rank() == 0 else screen(quiet=True), stack.enter_context(StopFlag()))


@contextmanager
def _deterministic() -> Iterator[None]:
    """While open, cuDNN is asked for kernels that give the same bits each time, and not to choose by a trial."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before


def _normalization(cfg: RunConfig, dataset: Dataset) -> Normalization:
    """Statistics of the training images, or ImageNet's for a network that brings weights trained with those."""
    if not cfg.network.pretrained:
        return pixel_statistics(dataset.train.images)
    mean, std = _IMAGENET
    return Normalization(mean, std) if dataset.channels == 3 else Normalization((mean[1],), (std[1],))


def _name_rows(training: Training, dataset: Dataset, step: int) -> str:
    parts = [
        f"{name} images {', '.join(dataset.train.names[row] for row in rows[:3])}, ..."
        for name, rows in training.loader.rows_at(step).items()
    ]
    return f" ({'; '.join(parts)})"
