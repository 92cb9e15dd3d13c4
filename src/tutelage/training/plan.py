"""How many steps fit into a time budget, measured once before training."""

from __future__ import annotations

import copy
import math
import statistics
import time

import torch

from tutelage.core.distributed import from_main
from tutelage.core.errors import ConfigError
from tutelage.training.health import Health
from tutelage.training.loop import run_step
from tutelage.training.optimizer import reset_state
from tutelage.training.state import Training

LEAST_STEPS = 10
EVALUATIONS = 20  # per training, unless `eval_every` is set
TRIAL_LENGTH = 1_000_000  # length of the schedule during measurement: any will do, since those steps are undone
LEAST_EVALUATIONS = 4
_SHARE = 0.03  # of the budget, spent on measuring
_SHARE_OF_EVALUATIONS = 0.2  # of the budget: if evaluations cost more, there are fewer
_LONGEST = 20.0  # seconds of measuring


def evaluations_within(seconds: float, evaluation: float) -> int:
    """How often to evaluate in a training of `seconds`: 20 times, or fewer if that takes too long.

    Args:
        evaluation: seconds per evaluation.
    """
    share = _SHARE_OF_EVALUATIONS * max(seconds, 0.0)
    if evaluation * EVALUATIONS <= share:
        return EVALUATIONS
    return max(LEAST_EVALUATIONS, int(share / evaluation))


def plan_steps(
    training: Training,
    seconds: float,
    *,
    evaluation: float,
    closing: float = 0.0,
    eval_every: int | None = None,
    evaluations: int = EVALUATIONS,
) -> int:
    """The number of optimizer steps that fit into `seconds`, including evaluations and the final scores.

    Runs and times the first steps, then undoes them. Since everything random depends on the step alone, training
    starts as if nothing had been measured.

    Args:
        evaluation: seconds per evaluation.
        closing: seconds needed after the last evaluation.
        eval_every: steps between two evaluations; None plans `evaluations` of them.

    Raises:
        ConfigError: fewer than ten steps fit.
    """
    method = copy.deepcopy(training.method.state_dict())
    scaler = copy.deepcopy(training.scaler.state_dict())
    begin = time.perf_counter()
    warm = timed_steps(training, 2)[1]
    count = from_main(min(200, max(5, int(min(_SHARE * seconds, _LONGEST) / warm))))  # the same number on every rank
    times = timed_steps(training, count)
    training.method.load_state_dict(method)
    if training.scaler.is_enabled():
        training.scaler.load_state_dict(scaler)
    reset_state(training.optimizer, training.schedule)
    training.optimizer.zero_grad(set_to_none=True)
    if training.device.type == "cuda":
        torch.cuda.synchronize(training.device)
    left = seconds - closing - (time.perf_counter() - begin)
    mean = statistics.fmean(sorted(times)[: max(1, math.ceil(0.9 * len(times)))])
    if eval_every is None:
        steps = from_main(int((left - evaluations * evaluation) / mean))
    else:
        steps = from_main(int((left - evaluation) / (mean + evaluation / eval_every)))
    if steps < LEAST_STEPS:
        raise ConfigError(
            f"train.budget: {max(left, 0):.1f} s is left for training, a step takes {mean:.2f} s, an evaluation "
            f"{evaluation:.2f} s and the final scores {closing:.2f} s; at least {LEAST_STEPS} steps must fit. "
            "Increase the budget, or use a smaller batch or network"
        )
    return steps


def timed_steps(training: Training, steps: int) -> list[float]:
    """Seconds per step for the first `steps` steps, including work on the device. Changes the state of `training`."""
    seconds = []
    health = Health(training.device)
    training.method.train()
    for step in range(steps):
        begin = time.perf_counter()
        float(run_step(training, step, health).loss.detach())  # waits for the device
        seconds.append(time.perf_counter() - begin)
    return seconds
