"""Settings of the moving average of the student, for the methods that have one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from tutelage.config.settings import require


@dataclass(frozen=True, kw_only=True)
class EMAConfig:
    """A moving average of the student that is evaluated, with copies of the student's batch-norm statistics.

    A method's `Config` derives from it; where its own default differs, it declares the field again.
    """

    ema_decay: Annotated[float, "of the network that is evaluated"] = 0.999
    ema_warmup: Annotated[bool, "average plainly over the first 1 / (1 - ema_decay) steps"] = True

    def __post_init__(self) -> None:
        require(0.0 <= self.ema_decay < 1.0, "method.ema_decay", "in [0, 1)", self.ema_decay)


@dataclass(frozen=True, kw_only=True)
class EvaluatedEMAConfig(EMAConfig):
    """The same, where the batch-norm statistics may be averages too."""

    ema_buffers: Annotated[
        Literal["copy", "average"], "batch-norm statistics of the evaluated network: the student's, or averages too"
    ] = "copy"


@dataclass(frozen=True, kw_only=True)
class TeacherEMAConfig(EMAConfig):
    """A moving average that also makes the targets of the student."""

    ema_decay: Annotated[float, "of the teacher"] = 0.999
    ema_buffers: Annotated[Literal["own", "copy"], "the teacher's batch-norm statistics: its own, or copies"] = "own"
