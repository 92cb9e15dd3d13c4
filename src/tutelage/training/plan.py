"""How long a step takes, measured before training."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Callable

import torch

from tutelage.core.distributed import from_main
from tutelage.training.health import Health
from tutelage.training.loop import run_step
from tutelage.training.optimizer import reset_state
from tutelage.training.state import Training

TRIAL_LENGTH = 1_000_000  # length of the schedule during measurement: any will do, since those steps are undone
_MOST = 200  # steps


def step_time(
    training: Training, seconds: float, *, patience: float = 0.0, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds per optimizer step, including work on the device.

    Takes the first steps one at a time, as many as fit `seconds`, but at least one, then undoes them. Since everything
    random depends on the step alone, training starts as if nothing had been measured. The first step, which is slower,
    counts only if there is no time for another.

    Args:
        patience: seconds that two steps may take, if one takes longer than `seconds`.
    """
    method = copy.deepcopy(training.method.state_dict())
    scaler = copy.deepcopy(training.scaler.state_dict())
    times = _timed_steps(training, seconds, patience, clock)
    training.method.load_state_dict(method)
    if training.scaler.is_enabled():
        training.scaler.load_state_dict(scaler)
    reset_state(training.optimizer, training.schedule)
    training.optimizer.zero_grad(set_to_none=True)
    if training.device.type == "cuda":
        torch.cuda.synchronize(training.device)
    later = sorted(times[1:] or times)
    mean = statistics.fmean(later[: max(1, math.ceil(0.9 * len(later)))])
    return from_main(mean)


def _timed_steps(training: Training, seconds: float, patience: float, clock: Callable[[], float]) -> list[float]:
    times: list[float] = []
    health, first = Health(training.device), clock()
    training.method.train()
    while True:
        begin = clock()
        float(run_step(training, len(times), health).loss.detach())  # waits for the device
        end = clock()
        times.append(end - begin)
        limit = max(seconds, patience) if len(times) == 1 else seconds
        enough = len(times) == _MOST or end - first + times[-1] > limit
        if from_main(enough):  # the same number on every rank
            return times
