"""The moving average of a student's weights: every teacher, and MoCo's key encoder."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor, nn

SLOWEST = 0.999  # the published decay of most methods, for trainings of 100,000 steps and more
WINDOWS = 12  # moving averages that a training has room for, where nobody set the decay; measured, see docs/training.md
SHORTEST_RUN = 5  # a training should be this many times as long as its moving average, 1 / (1 - decay) steps
BufferSource = Literal["own", "copy", "average"]


class EMATeacher(nn.Module):
    """A frozen deep copy of the student whose parameters follow the student's as a moving average.

    After step s (counted from 1): teacher <- a teacher + (1 - a) student, with a = `decay`, or with warm-up
    a = min(decay, 1 - 1 / (s + start_weight)) (Mean Teacher's rule, arXiv:1703.01780): during warm-up the
    teacher is the plain mean of its initial weights and all students so far.

    Args:
        student: copied once. Its later weights reach the teacher only through `update`.
        decay: in [0, 1]; None takes 0.999.
        warmup: take the plain mean over the first 1 / (1 - decay) steps.
        start_weight: how much the initial weights count in that mean: as much as one student, or (UA-MT) not at all, so
            that the teacher equals the student after the first step.
        buffers: where the teacher's batch-norm statistics come from. "own": from its own forward passes in training
            mode (Mean Teacher); "copy": copied from the student at each update (FixMatch); "average": averaged like the
            parameters (UDA), with integer buffers copied.

    Raises:
        ValueError: `decay` is outside [0, 1].
    """

    def __init__(
        self,
        student: nn.Module,
        decay: float | None,
        *,
        warmup: bool = True,
        start_weight: Literal[0, 1] = 1,
        buffers: BufferSource = "own",
    ) -> None:
        super().__init__()
        decay = SLOWEST if decay is None else decay
        if not 0.0 <= decay <= 1.0:
            raise ValueError(f"decay must be in [0, 1], got {decay}")
        self.network = copy.deepcopy(student).requires_grad_(False)
        self.decay, self.warmup, self.buffers_from = decay, warmup, buffers
        self.start_weight = start_weight

    def decay_at(self, step: int) -> float:
        """The factor of the teacher's old weights in the update after optimizer step `step`, counted from 1."""
        return min(self.decay, 1.0 - 1.0 / (step + self.start_weight)) if self.warmup else self.decay

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """The teacher's logits, without gradient, in the network's current mode (train or eval)."""
        logits: Tensor = self.network(images)
        return logits

    @torch.no_grad()
    def update(self, student: nn.Module, step: int, allowed: Tensor | None = None) -> None:
        """Move the teacher towards the student after optimizer step `step`, counted from 1.

        Args:
            allowed: 0-dim bool on the device; if false, the update changes nothing. (The student must be finite, which
                the same flag on the optimizer ensures.) An `if` on the CPU would have to wait for the device.
        """
        mine: list[Tensor] = list(self.network.parameters())
        theirs: list[Tensor] = list(student.parameters())
        for buffer, source in zip(self.network.buffers(), student.buffers(), strict=True):
            if self.buffers_from == "average" and buffer.is_floating_point():
                mine.append(buffer)
                theirs.append(source)
            elif self.buffers_from != "own":
                buffer.copy_(source if allowed is None else torch.where(allowed, source, buffer))
        share = 1.0 - self.decay_at(step)
        if allowed is None:
            torch._foreach_lerp_(mine, theirs, share)
        else:
            distance = list(torch._foreach_sub(theirs, mine))
            torch._foreach_mul_(distance, allowed * share)
            torch._foreach_add_(mine, distance)


def decay_for(total: int, slowest: float = SLOWEST) -> float:
    """The decay for a training of `total` steps: the average covers a twelfth of them, at most 1 / (1 - slowest).

    At the end nothing of the first steps is left in the average, whatever the length. A training of up to twelve steps
    has no average: the decay is 0.
    """
    return min(slowest, round(max(0.0, 1.0 - WINDOWS / max(total, 1)), 6))


def slowest_decay(total: int) -> float:
    """The largest decay, in few digits and below 1, that averages over at most `total / SHORTEST_RUN` steps."""
    digits: int = 10 ** len(str(total))
    return max(0, (total - SHORTEST_RUN) * digits // total) / digits
