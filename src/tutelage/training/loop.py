"""The training loop of all methods.

The order of events is forward, backward, optimizer step, teacher update, remember (`run_step`), then log, evaluate,
save (`fit`).
"""

from __future__ import annotations

import time

from tutelage.core.batch import Progress, StepOutput
from tutelage.core.distributed import barrier, from_main, rank, share_statistics
from tutelage.core.seeding import derived_seed, seed_globally
from tutelage.training.finiteness import in_evaluation, require_finite
from tutelage.training.health import Health
from tutelage.training.policy import learn_policy
from tutelage.training.protocols import Recorder
from tutelage.training.pseudo_health import TALLY, tally
from tutelage.training.schedule import set_schedule
from tutelage.training.signals import StopFlag, interrupted
from tutelage.training.state import Training
from tutelage.training.step import optimizer_step
from tutelage.training.window import Window


def run_step(training: Training, step: int, health: Health) -> StepOutput:
    """Train on one batch. Never waits for the device."""
    method, total = training.method, training.total
    seed = derived_seed(training.seed, "step", rank(), step)  # of the step, so that a resumed run draws the same
    seed_globally(seed, training.device)
    set_schedule(training.optimizer, step, total, training.schedule)
    if training.backbone is not None:
        training.backbone.set_mode(method, step, total)
    batch = training.loader.batch(step)
    share_statistics(method)

    out = training.forward(batch, Progress(step, total))
    training.optimizer.zero_grad(set_to_none=True)
    training.scaler.scale(out.loss).backward()  # type: ignore[no-untyped-call]
    if training.backbone is not None:
        training.backbone.drop_gradients(step, total)
    taken = optimizer_step(training, step, out, health)
    if method.teacher is not None:
        method.teacher.update(method.student, step + 1, allowed=taken)  # the only place where a teacher changes
    method.remember(out)

    learn_policy(training, batch)  # does nothing without CTAugment
    if out.pseudo_labels is not None:
        out.log[TALLY] = tally(out.pseudo_labels, training.truth_of(batch), method.problem.num_classes)
    return out


def fit(
    training: Training,
    recorder: Recorder,
    stop: StopFlag,
    *,
    start: int = 0,
    window: Window | None = None,
    end: float | None = None,
) -> int:
    """Train from step `start`, whose state is saved already, to the end; gives the number of steps that were done.

    Args:
        recorder: writes log lines, scores and checkpoints.
        stop: tells whether a signal asked the run to end.
        window: in a resumed run, the sums since its last log line.
        end: in seconds of `time.monotonic`: no step starts after it, except the first.

    Raises:
        NonFiniteError: a value was NaN or infinite, at most one log interval ago; nothing has been saved since.
        Interrupted: a signal came; the last completed step is saved.
    """
    total, saved = training.total, start
    health, window = Health(training.device), window or Window()
    if start and _is_due(start, training.eval_every, total) and not from_main(recorder.was_evaluated(start)):
        recorder.evaluate(start)  # a signal ended the run before it could evaluate this step
    if signal_number := stop.asked():
        raise interrupted(start, total, signal_number)

    training.method.train()
    for step in range(start, total):
        out = run_step(training, step, health)
        done = step + 1
        window.add(out.logged(), training.device)
        recorder.tick(done)
        last = done == total or (end is not None and from_main(time.monotonic() > end))
        to_log = last or done % training.log_every == 0
        to_evaluate = last or done % training.eval_every == 0
        to_save = last or done % training.checkpoint_every == 0
        signal_number = stop.asked()
        if to_log or to_evaluate or to_save or signal_number:
            require_finite(training, health, done=done, saved=saved)
        if to_log:
            recorder.log(done, window.means())
        if to_evaluate and not signal_number:
            with in_evaluation(done=done, saved=saved):
                recorder.evaluate(done)
            training.method.train()
            signal_number = stop.asked()
        if to_save or signal_number:
            recorder.save(done, window.of_all_ranks())
            saved = done
        if signal_number:
            barrier()
            raise interrupted(done, total, signal_number)
        if last:
            return done
    return total


def _is_due(done: int, every: int, total: int) -> bool:
    return done % every == 0 or done == total
