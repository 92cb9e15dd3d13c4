"""What a log line averages: sums on the device since the last one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tutelage.core.distributed import of_all_ranks, rank, world_size
from tutelage.training.pseudo_health import TALLY, health


@dataclass
class Window:
    """Sums of the logged values since the last log line, on the device. A checkpoint holds those of all ranks, so that
    a resumed run writes the same lines."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0

    def add(self, values: Mapping[str, Tensor | float], device: torch.device) -> None:
        """Add the values of a step."""
        for name, value in values.items():
            tensor = torch.as_tensor(value, dtype=torch.float64 if device.type != "mps" else torch.float32)
            self.sums[name] = self.sums.get(name, 0.0) + tensor.detach().to(device, non_blocking=True)
        self.count += 1

    def means(self) -> dict[str, float | list[float]]:
        """The averages, over the ranks too; the window is empty afterwards. Waits for the device."""
        sums, count = self.of_all_ranks().sums, self.count
        self.sums, self.count = {}, 0
        means: dict[str, float | list[float]] = {}
        for name, value in sums.items():
            means |= health(value.mean(0)) if name == TALLY else {name: float(value.mean()) / count}
        return means

    def of_all_ranks(self) -> Window:
        """The same, with a sum for each rank: (world_size(), ...) on the CPU. Waits for the device."""
        if not self.sums:
            return Window()
        flat = of_all_ranks(torch.cat([value.flatten() for value in self.sums.values()]))
        parts = flat.split([value.numel() for value in self.sums.values()], dim=1)
        sums = {
            name: part.unflatten(1, v.shape) if v.ndim else part.squeeze(1)
            for (name, v), part in zip(self.sums.items(), parts, strict=True)
        }
        return Window(sums, self.count)

    def of_this_rank(self, device: torch.device) -> Window:
        """Back from `of_all_ranks`; after another number of ranks each goes on with the mean."""
        sums = {
            name: (value[rank()] if len(value) == world_size() else value.mean(0)).to(device)
            for name, value in self.sums.items()
        }
        return Window(sums, self.count)
