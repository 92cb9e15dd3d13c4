"""A run at work, on each rank: what a new run and a resumed one do alike."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from rich.console import Console

from tutelage.config import RunConfig
from tutelage.core.console import screen
from tutelage.core.devices import one_thread
from tutelage.core.distributed import barrier, from_main, process_group, rank
from tutelage.core.errors import Interrupted
from tutelage.run.data_modules.base import DataModule
from tutelage.run.folder import RunFolder
from tutelage.run.progress import ProgressLine, clock
from tutelage.run.recorder import RunRecorder, SilentRecorder
from tutelage.run.result import final_result, print_result
from tutelage.run.scored import write_scored
from tutelage.training.loop import fit
from tutelage.training.plan import EVALUATIONS, TRIAL_LENGTH, evaluations_within, plan_steps
from tutelage.training.signals import StopFlag
from tutelage.training.state import Training
from tutelage.training.window import Window


class Session:
    """The objects and the phases of a run."""

    def __init__(self, device: torch.device, console: Console, stop: StopFlag, module: type[DataModule]) -> None:
        self.device, self.console, self.stop = device, console, stop
        self.module = module(console, device)

    def settle(self, cfg: RunConfig, run: Path) -> RunConfig:
        """Check the data, on rank 0, and choose the method where it is to be chosen."""
        with self.stop.at_once():
            return self.module.settle(cfg, run)

    def load(self, cfg: RunConfig, run: Path) -> None:
        """Decode the data, on rank 0 first: it writes the cache that the others map."""
        for turn in (True, False):
            if (rank() == 0) == turn:
                with self.stop.at_once():
                    self.module.load(cfg, run)
            barrier()
        for note in self.module.data.notes:
            self.console.print(f"- {note}")

    def build(self, cfg: RunConfig, *, init_from: str | None = None, resuming: bool = False) -> Training:
        """Network, method, optimizer and streams; the network starts from that of the run `init_from`.

        Args:
            resuming: a checkpoint brings all weights, so that published ones are not fetched.
        """
        student = self.module.network(cfg, published=not resuming and init_from is None)
        if not resuming:
            self.module.start(student, None if init_from is None else Path(init_from))
        steps = cfg.train.steps or TRIAL_LENGTH  # with a budget the length is planned later
        training = self.module.training(cfg, student, steps=steps)
        training.describe_rows = lambda step: _name_rows(self.module, training, step)
        return training

    def plan(
        self, training: Training, end: float, eval_every: int | None, most: int | None = None
    ) -> tuple[int, int | None]:
        """The steps that fit before `end`, in seconds of `time.monotonic`: evaluations and the final scores too.

        Gives them, at most `most`, and the steps between two evaluations; None is a twentieth of the training.
        """
        with self.stop.at_once():
            evaluation, closing = self.module.costs(training)
            evaluations = from_main(evaluations_within(end - time.monotonic() - closing, evaluation))
            steps = plan_steps(
                training,
                end - time.monotonic(),
                evaluation=evaluation,
                closing=closing,
                eval_every=eval_every,
                evaluations=evaluations,
            )
        if most is not None and steps >= most:
            self.console.print(f"- {most} steps are enough for a head on frozen features; they fit the budget")
            return most, eval_every
        self.console.print(f"- {steps} steps fit the budget; the schedule is stretched to them")
        if eval_every is None and evaluations < EVALUATIONS:
            eval_every = max(1, steps // evaluations)
            self.console.print(f"- an evaluation takes {clock(evaluation)}: one every {eval_every} steps")
        return steps, eval_every

    def train(self, training: Training, folder: RunFolder | None, *, start: int, window: Window, begun: float) -> None:
        """Train to the end and write the result."""
        task = self.module.task
        images = training.loader.images_per_step
        try:
            if folder is None:
                fit(training, SilentRecorder(), self.stop, start=start, window=window)
                barrier()
                return
            with (
                one_thread(self.device) if self.module.light else nullcontext(),
                ProgressLine(self.console, start=start, total=training.total, images_per_step=images) as progress,
                RunRecorder(
                    folder,
                    training,
                    progress,
                    self.stop,
                    task=task,
                    validation=self.module.validation(),
                    start=start,
                ) as recorder,
            ):
                fit(training, recorder, self.stop, start=start, window=window)
            scored: dict[str, dict[str, NDArray[Any]]] = {}
            with self.stop.at_once():
                result = final_result(
                    training,
                    task,
                    rows=folder.rows("metrics.jsonl"),
                    parts=self.module.final_exams(training, folder.path),
                    keep=lambda part, items: scored.update({part: items}),
                )
                result |= self.module.evidence(training)
            write_scored(folder.path, scored)
            folder.finish(result)
            print_result(result, task, self.console)
            self.console.print(f"{clock(time.monotonic() - begun)} in all; the run is in {folder.path}")
            barrier()
        except Interrupted as stopped:
            if folder is None:
                raise
            raise Interrupted(f"{stopped}; continue with --resume {folder.path}", stopped.exit_code - 128) from None
        finally:
            training.loader.close()


def open_session(stack: ExitStack, device: torch.device, console: Console, module: type[DataModule]) -> Session:
    """A session that ends with `stack`: joined with its siblings under torchrun, and obeying signals."""
    stack.enter_context(_deterministic())
    device = stack.enter_context(process_group(device))
    heard = console if rank() == 0 else screen(quiet=True)
    return Session(device, heard, stack.enter_context(StopFlag()), module)


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


def _name_rows(module: DataModule, training: Training, step: int) -> str:
    parts = [
        f"{stream} {module.kind.name} {', '.join(names[:3])}, ..." for stream, names in module.names_at(training, step)
    ]
    return f" ({'; '.join(parts)})"
