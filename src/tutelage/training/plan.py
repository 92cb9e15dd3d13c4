"""How many steps fit a budget of time: measured once, before the first step."""

from __future__ import annotations

import copy
import math
import statistics
import time

import torch

from tutelage.core.distributed import from_main
from tutelage.core.errors import ConfigError
from tutelage.training.loop import Training, timed_steps
from tutelage.training.optimizer import forget

LEAST_STEPS = 10
EVALUATIONS = 20  # over the training, unless the settings say how many steps lie between two
TRIAL_LENGTH = 1_000_000  # of the schedule that the measured steps follow: any will do, since they are taken back
LEAST_EVALUATIONS = 4
_SHARE = 0.03  # of the budget, spent on measuring
_SHARE_OF_EVALUATIONS = 0.2  # of the budget, above which there are fewer than EVALUATIONS
_LONGEST = 20.0  # seconds


def evaluations_within(seconds: float, evaluation: float) -> int:
    """How often to evaluate in a training of `seconds`, where once takes `evaluation`: 20 times, or fewer if costly."""
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
    """The number of optimizer steps that fit into `seconds`, evaluations and the final scores included.

    The first steps are run and timed, and their effect is taken back: since everything random follows from the step,
    training then starts as if nothing had been measured.

    Args:
        evaluation: seconds that one evaluation takes.
        closing: seconds that are needed after the last evaluation.
        eval_every: steps between two evaluations; None makes `evaluations` of them.

    Raises:
        ConfigError: not even ten steps fit.
    """
    method = copy.deepcopy(training.method.state_dict())
    scaler = copy.deepcopy(training.scaler.state_dict())
    begin = time.perf_counter()
    warm = timed_steps(training, 2)[1]
    count = from_main(min(200, max(5, int(min(_SHARE * seconds, _LONGEST) / warm))))  # ranks must take equally many
    times = timed_steps(training, count)
    training.method.load_state_dict(method)
    if training.scaler.is_enabled():
        training.scaler.load_state_dict(scaler)
    forget(training.optimizer, training.schedule)
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
            f"train.budget: {max(left, 0):.1f} s are left for training, a step takes {mean:.2f} s, an evaluation "
            f"{evaluation:.2f} s and the final scores {closing:.2f} s; at least {LEAST_STEPS} steps must fit. "
            "Give more time, a smaller batch or network"
        )
    return steps
