"""Settings of the moving average of the student, for the methods that have one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from tutelage.config.settings import require
from tutelage.core.ema import SLOWEST


@dataclass(frozen=True, kw_only=True)
class EMAConfig:
    """A moving average of the student that is evaluated, with copies of the student's batch-norm statistics.

    A method's `Config` derives from it. Without an `ema_decay`, it follows from the number of steps: see
    `core.ema.decay_for`. In a run it is a number by the time a method is built.

    Attributes:
        slowest: the published decay, for long trainings, which a shorter one does not exceed.
    """

    slowest: ClassVar[float] = SLOWEST
    ema_decay: Annotated[
        float | None, "decay of the evaluated average; by default it covers a twelfth of the steps"
    ] = None
    ema_warmup: Annotated[bool, "use the plain mean over the first 1 / (1 - ema_decay) steps"] = True

    def __post_init__(self) -> None:
        given = self.ema_decay
        require(given is None or 0.0 <= given < 1.0, "method.ema_decay", "in [0, 1)", given)

    @property
    def decay(self) -> float:
        """The decay, which is the published one until the number of steps is known."""
        return self.slowest if self.ema_decay is None else self.ema_decay


@dataclass(frozen=True, kw_only=True)
class EvaluatedEMAConfig(EMAConfig):
    """The same, where the batch-norm statistics may be averages too."""

    ema_buffers: Annotated[
        Literal["copy", "average"],
        "batch-norm statistics of the evaluated network: copies of the student's, or averages",
    ] = "copy"


@dataclass(frozen=True, kw_only=True)
class TeacherEMAConfig(EMAConfig):
    """A moving average that also makes the targets of the student."""

    ema_decay: Annotated[float | None, "decay of the teacher; by default it averages over a twelfth of the steps"] = (
        None
    )
    ema_buffers: Annotated[
        Literal["own", "copy"], "the teacher's batch-norm statistics: its own, or copies of the student's"
    ] = "own"
