"""A run at work, on each rank: what a new run and a resumed one do alike."""

from __future__ import annotations

import dataclasses
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
from tutelage.core.errors import DataError, Interrupted
from tutelage.core.wording import option
from tutelage.data.images.reading import quiet_pillow
from tutelage.data.kinds import IMAGES
from tutelage.networks.base import Network
from tutelage.run.baseline import baseline_config
from tutelage.run.budget import (
    Costs,
    Deadline,
    Lengths,
    TooShort,
    plan_lengths,
    report_limit,
    timing_limit,
    timing_patience,
)
from tutelage.run.calibrated import Calibration
from tutelage.run.data_modules.base import DataModule
from tutelage.run.folder import RunFolder
from tutelage.run.held_out import HeldOut
from tutelage.run.progress import ProgressLine, clock
from tutelage.run.recorder import RunRecorder, SilentRecorder
from tutelage.run.result import final_result, print_result
from tutelage.run.scored import write_scored
from tutelage.run.trackers.trackers import Trackers
from tutelage.training.loop import fit
from tutelage.training.plan import TRIAL_LENGTH, step_time
from tutelage.training.signals import StopFlag
from tutelage.training.state import Training
from tutelage.training.window import Window

_SHARE_FOR_SCORES = 0.3  # of the timing
HEAD_STEPS = 500  # more do not change a linear head, whose loss is convex but for the pseudo-labels


class Session:
    """The objects and the phases of a run."""

    def __init__(self, device: torch.device, console: Console, stop: StopFlag, module: DataModule) -> None:
        self.device, self.console, self.stop, self.module = device, console, stop, module

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

    def fit_scores(self, training: Training, cfg: RunConfig, deadline: Deadline) -> RunConfig:
        """The settings with final scores that the budget has time for, where they were not given."""
        with self.stop.at_once():
            return self.module.fit_scores(cfg, training, _SHARE_FOR_SCORES * timing_limit(deadline.seconds))

    def plan(
        self, training: Training, cfg: RunConfig, deadline: Deadline, *, report: bool
    ) -> tuple[Lengths, Lengths | None, float]:
        """The lengths of the training and of its baseline, if the settings ask for one, that fill the budget.

        The last number is the seconds that are kept after the last training, for its scores and the report.

        Everything else that the command does is measured or reserved first.

        Args:
            report: whether a report is written at the end.

        Raises:
            ConfigError: fewer than ten steps fit. The message says which budget would do, and what to lower.
        """
        reading, limit = deadline.spent(), timing_limit(deadline.seconds)
        self.console.print(f"- timing the first steps, for at most {limit:.0f} s")
        begun = time.monotonic()

        def left(share: float) -> float:
            return max(0.0, share * (limit - (time.monotonic() - begun)))

        with self.stop.at_once():
            evaluation, closing = self.module.costs(training, left(_SHARE_FOR_SCORES))
            patience = timing_patience(deadline.seconds)
            step = step_time(training, left(0.6 if cfg.train.baseline else 1.0), patience=patience)
            baseline_step = None
            if cfg.train.baseline:
                trial = self._baseline_trial(cfg)
                baseline_step = step_time(trial, left(1.0), patience=patience)
                trial.loader.close()
        costs = Costs(
            reading=reading,
            timing=time.monotonic() - begun,
            step=step,
            evaluation=evaluation,
            closing=closing,
            report=report_limit(deadline.seconds) if report else 0.0,
            baseline_step=baseline_step,
            most=HEAD_STEPS if cfg.frozen else None,
        )
        try:
            lengths = plan_lengths(
                deadline.seconds, from_main(costs), share=cfg.train.baseline_share, eval_every=cfg.train.eval_every
            )
        except TooShort as fault:
            raise self.module.too_short(deadline.text, fault, baseline=cfg.train.baseline) from None
        self._print(*lengths, costs, eval_every=cfg.train.eval_every)
        return *lengths, costs.closing + costs.report

    def _baseline_trial(self, cfg: RunConfig) -> Training:
        """A baseline to time the steps of; its weights do not matter."""
        train = dataclasses.replace(cfg.train, steps=TRIAL_LENGTH, budget=None)
        theirs = baseline_config(dataclasses.replace(cfg, train=train))
        return self.module.training(theirs, self.module.network(theirs, published=False), steps=TRIAL_LENGTH)

    def _print(self, own: Lengths, baseline: Lengths | None, costs: Costs, *, eval_every: int | None) -> None:
        if own.steps == costs.most:
            self.console.print(f"- {own.steps} steps are enough for a head on frozen features; they fit the budget")
        else:
            self.console.print(f"- {own.steps} steps fit the budget; the schedule is stretched to them")
        if baseline is not None:
            self.console.print(f"- {baseline.steps} steps of the supervised baseline fit it, too")
        rest = [("the final scores", costs.runs * costs.closing), ("the report", costs.report)]
        kept = [f"{clock(seconds)} for {what}" for what, seconds in rest if seconds >= 1.0]
        if kept:
            self.console.print(f"- set aside for the end: {' and '.join(kept)}")
        if own.eval_every not in (None, eval_every):
            self.console.print(f"- an evaluation takes {clock(costs.evaluation)}: one every {own.eval_every} steps")

    def train(
        self,
        training: Training,
        folder: RunFolder | None,
        *,
        start: int,
        window: Window,
        begun: float,
        end: float | None = None,
    ) -> None:
        """Train to the end and write the result.

        Args:
            end: in seconds of `time.monotonic`; what is not finished then is scored as it is.
        """
        try:
            if folder is None:
                fit(training, SilentRecorder(), self.stop, start=start, window=window)
                barrier()
                return
            with Trackers(folder.path, lambda line: self.console.print(f"- {line}")) as trackers:
                planned = training.total
                self._fit(training, folder, trackers, start, window, end)
                result = self._score(training, folder, planned)
                trackers.final(training.total, result)
            print_result(result, self.module.task, self.console)
            self.console.print(f"{clock(time.monotonic() - begun)} in all; the run is in {folder.path}")
            barrier()
        except (DataError, Interrupted) as error:
            raise error if folder is None else _resumable(error, folder) from None
        finally:
            training.loader.close()

    def _fit(
        self, training: Training, folder: RunFolder, trackers: Trackers, start: int, window: Window, end: float | None
    ) -> None:
        images, inputs = training.loader.images_per_step, self.module.kind.network_inputs
        with (
            one_thread(self.device) if self.module.light else nullcontext(),
            ProgressLine(
                self.console, start=start, total=training.total, images_per_step=images, inputs=inputs
            ) as progress,
            RunRecorder(
                folder,
                training,
                progress,
                self.stop,
                task=self.module.task,
                validation=self.module.validation(),
                start=start,
                trackers=trackers,
            ) as recorder,
        ):
            planned = training.total
            training.total = fit(training, recorder, self.stop, start=start, window=window, end=end)
            if training.total < planned:
                progress.note(f"its time is up after step {training.total} of {planned}: it is scored as it is")

    def _score(self, training: Training, folder: RunFolder, planned: int) -> dict[str, Any]:
        """Score the networks, and write the result, which is returned."""
        scored: dict[str, dict[str, NDArray[Any]]] = {}
        calibration = self._calibration(training, folder)
        with self.stop.at_once():
            result = final_result(
                training,
                self.module.task,
                rows=folder.rows("metrics.jsonl"),
                parts=self.module.final_exams(training, folder.path),
                keep=lambda part, items: scored.update({part: items}),
                calibration=calibration,
            )
            result |= self.module.evidence(training)
            self.module.finish(training, folder.path)
            if training.total < planned:
                result["planned_steps"] = planned
        write_scored(folder.path, scored)
        folder.finish(result)
        return result

    def _calibration(self, training: Training, folder: RunFolder) -> Calibration | None:
        """That of a classifier of images, from what its folder knows by now."""
        network, task = training.method.predictor, self.module.task
        if self.module.kind != IMAGES or not isinstance(network, Network):
            return None
        known = HeldOut.read(folder.path, len(task.classes))
        return Calibration(task, known, lambda found: found.save(folder.path), calibrates=network.plain)


def open_session(
    stack: ExitStack,
    device: torch.device,
    console: Console,
    module: type[DataModule],
    *,
    loaded: DataModule | None = None,
    deterministic: bool = True,
) -> Session:
    """A session that ends with `stack`: joined with its siblings under torchrun, and obeying signals.

    Args:
        loaded: the data of an earlier session, which is not read again.
        deterministic: whether cuDNN gives the same bits each time; otherwise it tries which of its kernels is fastest.
    """
    stack.enter_context(_kernels(deterministic))
    stack.enter_context(quiet_pillow())  # for the threads that decode images while steps are computed
    device = stack.enter_context(process_group(device))
    heard = console if rank() == 0 else screen(quiet=True)
    return Session(device, heard, stack.enter_context(StopFlag()), loaded or module(heard, device))


def _resumable(error: DataError | Interrupted, folder: RunFolder) -> DataError | Interrupted:
    """The error, which also says how to go on: after a signal, or when images that were lost are back."""
    again = f"continue with {option('resume', folder.path)}"
    if isinstance(error, Interrupted):
        return Interrupted(f"{error}; {again}", error.exit_code - 128)
    return DataError(f"{error}\nPut back what was there at the start; then {again}")


@contextmanager
def _kernels(deterministic: bool) -> Iterator[None]:
    """While open, cuDNN chooses kernels that give the same bits each time, or by a trial."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = deterministic, not deterministic
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before


def _name_rows(module: DataModule, training: Training, step: int) -> str:
    parts = [
        f"{stream} {module.kind.name} {', '.join(names[:3])}, ..." for stream, names in module.names_at(training, step)
    ]
    return f" ({'; '.join(parts)})"
