"""Running sums of the logged values, from one log line to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tutelage.core.distributed import of_all_ranks, rank, world_size
from tutelage.training.pseudo_health import TALLY, health


@dataclass
class Window:
    """Sums of the logged values since the last log line, on the device.

    A checkpoint holds the sums of all ranks, so that a resumed run writes the same log lines.
    """

    sums: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0

    def add(self, values: Mapping[str, Tensor | float], device: torch.device) -> None:
        """Add the values of a step."""
        for name, value in values.items():
            tensor = torch.as_tensor(value, dtype=torch.float64 if device.type != "mps" else torch.float32)
            self.sums[name] = self.sums.get(name, 0.0) + tensor.detach().to(device, non_blocking=True)
        self.count += 1

    def means(self) -> dict[str, float | list[float]]:
        """The averages over steps and ranks; empties the window. Waits for the device."""
        sums, count = self.of_all_ranks().sums, self.count
        self.sums, self.count = {}, 0
        means: dict[str, float | list[float]] = {}
        for name, value in sums.items():
            means |= health(value.mean(0)) if name == TALLY else {name: float(value.mean()) / count}
        return means

    def of_all_ranks(self) -> Window:
        """The sums of each rank: (world_size(), ...) on the CPU. Waits for the device."""
        if not self.sums:
            return Window()
        flat = of_all_ranks(torch.cat([value.flatten() for value in self.sums.values()]))
        parts = torch.split(flat, [value.numel() for value in self.sums.values()], dim=1)
        sums = {
            name: part.reshape(len(part), *value.shape)
            for (name, value), part in zip(self.sums.items(), parts, strict=True)
        }
        return Window(sums, self.count)

    def of_this_rank(self, device: torch.device) -> Window:
        """The inverse of `of_all_ranks`. If the number of ranks has changed, every rank takes the mean."""
        sums = {
            name: (value[rank()] if len(value) == world_size() else value.mean(0)).to(device)
            for name, value in self.sums.items()
        }
        return Window(sums, self.count)
