"""The one loop of all methods."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from tutelage.augment.ct_augment import CTAugment
from tutelage.config.settings import OptimizerConfig
from tutelage.core.batch import Batch, Progress, StepOutput
from tutelage.core.distributed import (
    any_rank,
    barrier,
    copy_from_main,
    data_parallel,
    from_main,
    rank,
    world_size,
)
from tutelage.core.errors import Interrupted, NonFiniteError
from tutelage.core.seeding import derived_seed
from tutelage.methods.base import Method
from tutelage.training.backbone import Backbone
from tutelage.training.checkpoint import first_non_finite
from tutelage.training.health import Health
from tutelage.training.optimizer import gradient_norm, set_schedule
from tutelage.training.policy import learn_policy
from tutelage.training.pseudo_health import TALLY, tally
from tutelage.training.signals import StopFlag
from tutelage.training.window import Window

LEAST_SCALE = 1e-3  # of fp16's loss; 26 overflows in a row from where it starts
MOST_SKIPPED = 30  # steps in a row; finding the scale at the start takes fewer


class Recorder(Protocol):
    """Where a run's numbers and states go; the loop knows nothing of files."""

    def tick(self, done: int) -> None:
        """A step is done."""

    def log(self, done: int, means: Mapping[str, float | list[float]]) -> None:
        """Averages over the steps since the last log line, and over the ranks."""

    def evaluate(self, done: int) -> None:
        """Score the networks on the validation rows; gives up, writing nothing, if a signal comes."""

    def was_evaluated(self, done: int) -> bool:
        """Whether the scores of that step are written."""

    def save(self, done: int, window: Window) -> None:
        """Write a checkpoint; `window` is that of all ranks."""


class Batches(Protocol):
    """What the batches come from: `ImageLoader` of images, or `ScanLoader` of scans."""

    def batch(self, step: int) -> Batch:
        """The batch of `step` on the device, a pure function of the step."""

    @property
    def images_per_step(self) -> int:
        """Images or patches a step, of both streams and all ranks."""

    def rows_at(self, step: int) -> dict[str, list[int]]:
        """The rows of each stream at `step`, of all ranks."""

    def close(self) -> None:
        """Ends its threads."""


@dataclass
class Training:
    """Everything that training needs, built once by `build.py`.

    `truth` (N,) int64 on the device holds true classes that no method sees, -1 where there is none: the log tells by
    them how many pseudo-labels are right. `backbone` is what a warm start brought, where it moves otherwise than the
    rest.
    """

    method: Method
    loader: Batches
    optimizer: torch.optim.Optimizer
    schedule: OptimizerConfig
    total: int
    seed: int
    device: torch.device
    precision: torch.dtype
    log_every: int
    eval_every: int
    checkpoint_every: int
    truth: Tensor | None = None
    backbone: Backbone | None = None
    describe_rows: Callable[[int], str] = lambda step: ""
    model: nn.Module = field(init=False)
    scaler: torch.amp.GradScaler = field(init=False)

    def __post_init__(self) -> None:
        self.model = self.method if world_size() == 1 else data_parallel(self.method, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == torch.float16)

    def autocast(self) -> torch.autocast:
        """The precision of forward passes.

        Weights are cast anew in each pass: some versions of torch keep a cast made without gradient for a later pass of
        the same step, which then trains nothing.
        """
        enabled = self.precision != torch.float32
        return torch.autocast(self.device.type, self.precision, enabled=enabled, cache_enabled=False)

    def run_step(self, step: int, health: Health) -> StepOutput:
        """Forward, backward, optimizer step, teacher update, remember. Waits for nothing."""
        torch.manual_seed(derived_seed(self.seed, "step", rank(), step))
        set_schedule(self.optimizer, step, self.total, self.schedule)
        if self.backbone is not None:
            self.backbone.set_mode(self.method, step, self.total)
        batch = self.loader.batch(step)
        self._share_statistics()
        with self.autocast():
            out: StepOutput = self.model(batch, Progress(step, self.total))
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(out.loss).backward()
        if self.backbone is not None:
            self.backbone.drop_gradients(step, self.total)
        applied = self._optimizer_step(step, out, health)
        if self.method.teacher is not None:
            self.method.teacher.update(self.method.student, step + 1, allowed=applied)
        self.method.remember(out)
        if isinstance(self.method.policy, CTAugment) and batch.labeled is not None:
            with self.autocast():
                learn_policy(self.method.policy, self.method.task, self.method.predictor, batch.labeled)
        if out.pseudo_labels is not None and batch.unlabeled is not None:
            truth = None if self.truth is None else self.truth[batch.unlabeled.index]
            out.log[TALLY] = tally(out.pseudo_labels, truth, self.method.problem.num_classes)
        return out

    def _share_statistics(self) -> None:
        """Batch-norm statistics before a step are those of rank 0, which a checkpoint holds.

        The method's own buffers are alike on all ranks already, and some are too large to be sent at each step.
        """
        own = {id(buffer) for buffer in self.method.buffers(recurse=False)}
        copy_from_main([buffer for buffer in self.method.buffers() if id(buffer) not in own])

    def _optimizer_step(self, step: int, out: StepOutput, health: Health) -> Tensor:
        """Clip, and step unless something is not finite; gives that as a 0-dim bool on the device."""
        self.scaler.unscale_(self.optimizer)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        norm = gradient_norm(parameters)
        if self.schedule.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, self.schedule.clip_norm, norm)
        logged = {name: value for name, value in out.log.items() if isinstance(value, Tensor)}
        rates = sum(float(group["lr"]) for group in self.optimizer.param_groups)
        values = {"loss": out.loss, **logged, "learning rate": torch.full((), rates, device=self.device)}
        if self.scaler.is_enabled():  # fp16: an overflow of scaled gradients is common, and costs no more than its step
            applied = health.observe(step, values) & torch.isfinite(norm)
            health.count(applied)
        else:
            applied = health.observe(step, values | {"gradient": norm})
        # Not by scaler.step, which knows of overflows alone: a step is gated on the health of all before it too.
        self.optimizer.found_inf = (~applied).float()  # type: ignore[attr-defined]
        self.optimizer.step()
        self.scaler.update()  # from what unscale_ found; nothing without fp16
        return applied


def fit(
    training: Training, recorder: Recorder, stop: StopFlag, *, start: int = 0, window: Window | None = None
) -> None:
    """Train from step `start` to the end.

    The state of step `start` is saved already.

    Raises:
        NonFiniteError: a value was not finite, at the latest one log interval after it was; nothing is saved from then.
        Interrupted: a signal came; the last completed step is saved.
    """
    flags, window = Health(training.device), window or Window()
    saved = start
    if start and _due(start, training.eval_every, training.total) and not from_main(recorder.was_evaluated(start)):
        recorder.evaluate(start)  # the signal that ended the run came between this step and its evaluation
    if signal_number := stop.asked():
        raise _interrupted(training, start, signal_number)
    training.method.train()
    for step in range(start, training.total):
        out = training.run_step(step, flags)
        window.add(out.logged(), training.device)
        done = step + 1
        recorder.tick(done)
        to_log = _due(done, training.log_every, training.total)
        to_evaluate = _due(done, training.eval_every, training.total)
        to_save = _due(done, training.checkpoint_every, training.total)
        signal_number = stop.asked()
        if to_log or to_evaluate or to_save or signal_number:
            _require_finite(training, flags, done, saved)
        if to_log:
            recorder.log(done, window.means())
        if to_evaluate and not signal_number:
            recorder.evaluate(done)
            training.method.train()
            signal_number = stop.asked()
        if to_save or signal_number:
            recorder.save(done, window.of_all_ranks())
            saved = done
        if signal_number:
            barrier()
            raise _interrupted(training, done, signal_number)


def _interrupted(training: Training, done: int, signal_number: int) -> Interrupted:
    return Interrupted(f"stopped after step {done} of {training.total}, which is saved", signal_number)


def _due(done: int, every: int, total: int) -> bool:
    return done % every == 0 or done == total


def _require_finite(training: Training, health: Health, done: int, saved: int) -> None:
    fault = health.first_fault()
    broken = first_non_finite(training.method.state_dict()) if fault is None else None
    stalled = _stalled(training, health)
    if not any_rank(int(fault is not None or broken is not None or stalled)):
        return
    keep = f"the checkpoint of step {saved} is good"
    if fault is not None:
        step, places = fault
        rows = training.describe_rows(step)
        raise NonFiniteError(f"NaN or infinity in {places} at step {step + 1}{rows}; {keep}. {_ADVICE}")
    if stalled and broken is None:
        raise NonFiniteError(
            f"no step is taken any more at step {done}: the gradients overflow fp16 whatever their scale (now "
            f"{training.scaler.get_scale():g}); {keep}. Try precision bf16 or fp32, or a smaller optimizer.lr"
        )
    where = broken or "another process"
    raise NonFiniteError(f"NaN or infinity in {where} at or before step {done}; {keep}. {_ADVICE}")


def _stalled(training: Training, health: Health) -> bool:
    """Whether fp16 training goes nowhere. Waits for the device."""
    if not training.scaler.is_enabled():
        return False
    return training.scaler.get_scale() < LEAST_SCALE or health.skipped() >= MOST_SKIPPED


_ADVICE = "Try a smaller optimizer.lr, optimizer.clip_norm 1, or precision fp32"


def timed_steps(training: Training, steps: int) -> list[float]:
    """Seconds of each of the first `steps` steps, device work included. They change the state of `training`."""
    seconds = []
    health = Health(training.device)
    training.method.train()
    for step in range(steps):
        begin = time.perf_counter()
        float(training.run_step(step, health).loss.detach())
        seconds.append(time.perf_counter() - begin)
    return seconds


def method_tensors(training: Training) -> dict[str, Any]:
    """The method's state, by name, for a checkpoint."""
    return {f"method.{name}": value for name, value in training.method.state_dict().items()}
