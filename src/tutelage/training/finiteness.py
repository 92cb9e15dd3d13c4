"""Ends a training that became NaN or infinite, with an error that says where and what to try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tutelage.core.distributed import any_rank
from tutelage.core.errors import NonFiniteError
from tutelage.training.checkpoint import first_non_finite
from tutelage.training.health import Health
from tutelage.training.state import Training

LEAST_SCALE = 1e-3  # of the loss in fp16: 26 overflows in a row from its initial value
MOST_SKIPPED = 30  # steps in a row; finding the right scale at the start takes fewer
_ADVICE = "Try a smaller optimizer.lr, optimizer.clip_norm 1, or precision fp32"


def require_finite(training: Training, health: Health, *, done: int, saved: int) -> None:
    """Check the steps so far and the weights, on all ranks. Waits for the device.

    Args:
        done: optimizer steps so far.
        saved: step of the newest checkpoint.

    Raises:
        NonFiniteError: a value was NaN or infinite, or fp16 gradients keep overflowing.
    """
    fault = health.first_fault()
    broken = first_non_finite(training.method.state_dict()) if fault is None else None
    stalled = _is_stalled(training, health)
    if not any_rank(int(fault is not None or broken is not None or stalled)):
        return
    keep = f"the checkpoint of step {saved} is good"
    if fault is not None:
        step, places = fault
        rows = training.describe_rows(step)
        raise NonFiniteError(f"NaN or infinity in {places} at step {step + 1}{rows}; {keep}. {_ADVICE}")
    if stalled and broken is None:
        raise NonFiniteError(
            f"training is stuck at step {done}: the gradients overflow fp16 at every loss scale (now "
            f"{training.scaler.get_scale():g}); {keep}. Try precision bf16 or fp32, or a smaller optimizer.lr"
        )
    where = broken or "another process"
    raise NonFiniteError(f"NaN or infinity in {where} at or before step {done}; {keep}. {_ADVICE}")


@contextmanager
def in_evaluation(*, done: int, saved: int) -> Iterator[None]:
    """Names the step if predictions are not finite: finite weights can still be so large that these overflow.

    Args:
        done, saved: as in `require_finite`.
    """
    try:
        yield
    except NonFiniteError as error:
        kept = f"the checkpoint of step {saved} is good"
        raise NonFiniteError(f"in the evaluation after step {done}, {error}; {kept}. {_ADVICE}") from None


def _is_stalled(training: Training, health: Health) -> bool:
    """Whether fp16 training has stopped making progress."""
    if not training.scaler.is_enabled():
        return False
    return training.scaler.get_scale() < LEAST_SCALE or health.skipped() >= MOST_SKIPPED
