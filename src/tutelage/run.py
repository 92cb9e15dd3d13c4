"""Starting a run, and going on with one."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from tutelage.build import (
    build_predictor,
    build_task,
    build_training,
    check_streams,
    choose_device,
    choose_precision,
    resolved,
    set_length,
)
from tutelage.check import check_for_training
from tutelage.config import RunConfig
from tutelage.console import screen
from tutelage.data.dataset import Dataset, Subset, load_dataset
from tutelage.data.inventory import Inventory
from tutelage.data.loader import Normalization, pixel_statistics
from tutelage.distributed import barrier, process_group, rank
from tutelage.errors import Interrupted, RunError
from tutelage.files import read_json, write_json
from tutelage.model import Model
from tutelage.run_record import absolute, describe, refuse_changes, refuse_other_data, warn_of_changes
from tutelage.settings import seconds
from tutelage.show import decide_domain, save_run_views
from tutelage.training.checkpoint import load_checkpoint, save_checkpoint
from tutelage.training.folder import RunFolder, read_config, read_rows, refuse_existing
from tutelage.training.loop import Training, Window, fit
from tutelage.training.plan import plan_steps
from tutelage.training.progress import ProgressLine, clock
from tutelage.training.recorder import RunRecorder, SilentRecorder, restore_checkpoint, take_checkpoint
from tutelage.training.result import Scored, final_result, print_result
from tutelage.training.scoring import score_rows
from tutelage.training.signals import StopFlag
from tutelage.warm_start import warm_start

_IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # what timm's published weights were trained with


@dataclass(frozen=True)
class Run:
    """A run folder, to look at."""

    path: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """Resolved settings, data facts, plan and versions."""
        return read_config(self.path)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The final metrics.

        Raises:
            RunError: the run is not finished.
        """
        if not (self.path / "result.json").exists():
            raise RunError(f"{self.path} is not finished; go on with --resume {self.path}")
        return read_json(self.path / "result.json")

    def history(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return read_rows(self.path / "metrics.jsonl")

    def model(self, *, network: str = "auto", device: str = "auto") -> Model:
        """The trained model; see `Model.load`."""
        return Model.load(self.path, network=network, device=device)


def start_run(cfg: RunConfig, out: Path, *, overwrite: bool = False, console: Console) -> Run:
    """Train from the start, in a new run folder.

    Raises:
        TutelageError: a setting, the data or the folder is not as needed, and nothing is left behind; or training was
            interrupted or not finite, and the folder holds the last good step.
    """
    begun = time.monotonic()
    cfg = resolved(absolute(cfg))
    device = choose_device(cfg.train.device)
    choose_precision(cfg.train.precision, device)
    if rank() == 0:
        refuse_existing(out, overwrite=overwrite)
    with ExitStack() as stack:
        session = _open(stack, device, console)
        inventory = folder = None
        if rank() == 0:
            with session.stop.at_once():
                inventory = check_for_training(cfg.data, workers=cfg.train.workers, console=session.console)
            folder = stack.enter_context(RunFolder.create(out, overwrite=overwrite))
        session.load(cfg, inventory, out)
        cfg = _decide_by_data(cfg, session.dataset, session.console)
        check_streams(cfg, session.dataset)
        training = session.build(cfg, init_from=cfg.train.init_from)
        plan: dict[str, Any] = {"steps": cfg.train.steps, "budget": cfg.train.budget}
        if cfg.train.budget is not None:
            left = seconds(cfg.train.budget) - (time.monotonic() - begun)
            plan["steps"] = session.plan(training, left, cfg.train.eval_every)
            cfg = dataclasses.replace(cfg, train=dataclasses.replace(cfg.train, steps=plan["steps"], budget=None))
            set_length(training, cfg, plan["steps"])
        session.stop.check()
        if folder is not None:
            folder.clear()
            write_json(out / "split.json", session.dataset.split_record())
            save_run_views(cfg, session.dataset, out / "views.png")
            save_checkpoint(folder.checkpoints, take_checkpoint(training, 0, Window()))
            folder.declare(describe(cfg, session.dataset, session.normalization, session.device, plan))
        session.train(training, folder, start=0, window=Window(), begun=begun)
    return Run(out)


def resume_run(run: Path, given: Mapping[str, Any], *, console: Console) -> Run:
    """Go on with a run exactly where it stopped; one that is finished is left as it is.

    Args:
        given: settings by dotted name that the user repeats; each must be the run's own.

    Raises:
        RunError: `run` is no run, is in use, or its settings or data changed; or no checkpoint of it is good.
    """
    begun = time.monotonic()
    recorded = read_config(run)
    cfg = refuse_changes(recorded, given, run)
    if (run / "result.json").exists():
        console.print(f"{run} is finished already; its metrics are in result.json")
        return Run(run)
    with ExitStack() as stack:
        session = _open(stack, choose_device(cfg.train.device), console)
        folder = stack.enter_context(RunFolder.open(run)) if rank() == 0 else None
        warn_of_changes(recorded, session.device)
        session.load(cfg, None, run)
        refuse_other_data(recorded, session.dataset, run)
        training = session.build(cfg)
        barrier()
        checkpoint = load_checkpoint(run / "checkpoints")
        window = restore_checkpoint(training, checkpoint)
        if folder is not None:
            folder.cut(checkpoint.step)
        session.console.print(f"going on after step {checkpoint.step} of {training.total}")
        session.train(training, folder, start=checkpoint.step, window=window, begun=begun)
    return Run(run)


def _open(stack: ExitStack, device: torch.device, console: Console) -> _Session:
    device = stack.enter_context(process_group(device))
    return _Session(device, console if rank() == 0 else screen(quiet=True), stack.enter_context(StopFlag()))


class _Session:
    """What a new run and a resumed one do alike, on each rank."""

    dataset: Dataset
    normalization: Normalization

    def __init__(self, device: torch.device, console: Console, stop: StopFlag) -> None:
        self.device, self.console, self.stop = device, console, stop

    def load(self, cfg: RunConfig, inventory: Inventory | None, run: Path) -> None:
        """Decode the data, on rank 0 first: it writes the cache that the others map."""
        for turn in (True, False):
            if (rank() == 0) == turn:
                with self.stop.at_once():
                    self.dataset = load_dataset(
                        cfg.data,
                        seed=cfg.train.seed,
                        workers=cfg.train.workers,
                        cache_dir=run / "cache",
                        inventory=inventory,
                    )
            barrier()
        for note in self.dataset.notes:
            self.console.print(f"- {note}")
        self.normalization = _normalization(cfg, self.dataset)

    def build(self, cfg: RunConfig, *, init_from: str | None = None) -> Training:
        """Network, method, optimizer and streams; the network starts from that of the run `init_from`."""
        data = self.dataset
        student = build_predictor(
            cfg, num_classes=len(data.classes), channels=data.channels, image_size=data.image_size
        )
        if init_from is not None:
            warm_start(student, Path(init_from), data.classes, self.console)
        training = build_training(cfg, data, self.normalization, self.device, student)
        training.describe_rows = lambda step: _name_rows(training, data, step)
        return training

    def plan(self, training: Training, left: float, eval_every: int | None) -> int:
        """The steps that fit into `left` seconds."""
        evaluation, part = 0.0, self.dataset.val
        with self.stop.at_once():
            if part is not None:
                begin = time.perf_counter()
                few = part.rows[:512]
                self._score(training, part, few)
                evaluation = 2 * (time.perf_counter() - begin) * len(part) / len(few)
            steps = plan_steps(training, left, evaluation=evaluation, eval_every=eval_every)
        self.console.print(f"- {steps} steps fit the budget; the schedule is stretched to them")
        return steps

    def _score(self, training: Training, part: Subset, rows: Any) -> None:
        score_rows(
            training.method.student,
            build_task(self.dataset.classes),
            part.images.images,
            rows,
            part.images.labels,
            normalization=self.normalization,
            device=self.device,
        )

    def train(self, training: Training, folder: RunFolder | None, *, start: int, window: Window, begun: float) -> None:
        """Train to the end and write the result."""
        task, data = build_task(self.dataset.classes), self.dataset
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
                    normalization=self.normalization,
                    validation=None if data.val is None else _scored(data.val),
                    start=start,
                ) as recorder,
            ):
                fit(training, recorder, self.stop, start=start, window=window)
            parts: dict[str, Callable[[], Scored]] = {}
            if data.val is not None:
                parts["validation"] = partial(_scored, data.val)
            if data.has_test:
                parts["test"] = lambda: _scored(data.load_test())
            with self.stop.at_once():
                result = final_result(
                    training, task, self.normalization, rows=folder.rows("metrics.jsonl"), parts=parts
                )
            folder.finish(result)
            print_result(result, self.console)
            self.console.print(f"{clock(time.monotonic() - begun)} in all; the run is in {folder.path}")
            barrier()
        except Interrupted as stopped:
            if folder is None:
                raise
            raise Interrupted(f"{stopped}; go on with --resume {folder.path}", stopped.exit_code - 128) from None
        finally:
            training.loader.close()


def _scored(part: Subset) -> Scored:
    return part.images.images, part.rows, part.images.labels


def _normalization(cfg: RunConfig, dataset: Dataset) -> Normalization:
    """Statistics of the training images, or ImageNet's for a network that brings weights trained with those."""
    if not cfg.network.pretrained:
        return pixel_statistics(dataset.train.images)
    mean, std = _IMAGENET
    return Normalization(mean, std) if dataset.channels == 3 else Normalization((mean[1],), (std[1],))


def _decide_by_data(cfg: RunConfig, dataset: Dataset, console: Console) -> RunConfig:
    """Settings that were left to the data, decided: so config.json shows what was done."""
    if cfg.augment.domain != "auto":
        return cfg
    if not dataset.flip_ok:
        console.print("- images are not mirrored: that would change their class (augment.domain symbols)")
    return decide_domain(cfg, dataset.flip_ok)


def _name_rows(training: Training, dataset: Dataset, step: int) -> str:
    parts = [
        f"{name} images {', '.join(dataset.train.names[row] for row in rows[:3])}, ..."
        for name, rows in training.loader.rows_at(step).items()
    ]
    return f" ({'; '.join(parts)})"
