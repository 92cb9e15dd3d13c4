"""Detects NaN and infinity without waiting for the device."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Health:
    """A flag on the device: has everything been finite so far?

    After the first NaN or infinity the flag stays false. The optimizer and the teacher check it on the device, and
    change nothing from then on. The CPU reads it only when it waits for the device anyway: before a log line, an
    evaluation or a save.
    """

    def __init__(self, device: torch.device) -> None:
        self.finite = torch.ones((), dtype=torch.bool, device=device)
        self._step = torch.full((), -1, dtype=torch.int64, device=device)
        self._bad = torch.zeros(0, dtype=torch.bool, device=device)
        self._places: tuple[str, ...] = ()
        self._skipped = torch.zeros((), dtype=torch.int64, device=device)

    def observe(self, step: int, values: Mapping[str, Tensor]) -> Tensor:
        """Check the values of a step (named scalars); returns the flag, a 0-dim bool."""
        bad = ~torch.isfinite(torch.stack([value.detach().float().reshape(()) for value in values.values()]))
        first = self.finite & bad.any()
        self._step = torch.where(first, step, self._step)
        if self._places != tuple(values):
            self._places, self._bad = tuple(values), torch.zeros_like(bad)
        self._bad = torch.where(first, bad, self._bad)
        self.finite = self.finite & ~bad.any()
        return self.finite

    def count(self, taken: Tensor) -> None:
        """Note whether the optimizer took its step (0-dim bool)."""
        self._skipped = torch.where(taken, 0, self._skipped + 1)

    def skipped(self) -> int:
        """Steps skipped since the last one that was taken. Waits for the device."""
        return int(self._skipped)

    def first_fault(self) -> tuple[int, str] | None:
        """The first step (from 0) with a value that was not finite, and the names of those values; or None.

        Waits for the device.
        """
        if bool(self.finite):
            return None
        names = [name for name, bad in zip(self._places, self._bad.tolist(), strict=True) if bad]
        return int(self._step), ", ".join(names)
