"""Everything that a training consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tutelage.config.settings import OptimizerConfig
from tutelage.core.batch import Batch, Progress, StepOutput
from tutelage.core.distributed import data_parallel, world_size
from tutelage.core.errors import ConfigError
from tutelage.methods.base import Method
from tutelage.training.backbone import Backbone
from tutelage.training.protocols import Batches


@dataclass
class Training:
    """What the loop works on, assembled once in `run/build.py`.

    Attributes:
        total: number of optimizer steps.
        log_every, eval_every, checkpoint_every: in steps; each is also done after the last step.
        truth: (N,) int64 on the device, true classes that no method sees, -1 where unknown. They are used only to log
            how many pseudo-labels are right.
        backbone: the pretrained part of the network, if it has a learning rate of its own or is frozen at first.
        describe_rows: the names of the images of a step, for error messages.
        model: `method`, wrapped by DDP if there are several processes.
        scaler: of the loss in fp16; does nothing in other precisions.
    """

    method: Method[Any]
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
        """A context in which networks compute in the precision of this training.

        Its cache of cast weights is off: some versions of torch reuse a cast made under `no_grad` for a later pass of
        the same step, and that pass then trains nothing.
        """
        enabled = self.precision != torch.float32
        return torch.autocast(self.device.type, self.precision, enabled=enabled, cache_enabled=False)

    def forward(self, batch: Batch, t: Progress) -> StepOutput:
        """The loss of a step.

        Raises:
            ConfigError: a method of another package returns something else.
        """
        with self.autocast():
            out = self.model(batch, t)
        if not isinstance(out, StepOutput):
            name = type(self.method).__name__
            raise ConfigError(f"{name}.forward must return a tutelage.StepOutput, got {type(out).__name__}")
        return out

    def truth_of(self, batch: Batch) -> Tensor | None:
        """(B_u,) int64: the true classes of the unlabeled images, -1 where unknown; None if none is known."""
        if self.truth is None or batch.unlabeled is None:
            return None
        return self.truth[batch.unlabeled.index]
