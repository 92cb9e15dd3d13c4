"""A network whose parameters are its logits, so that a method's gradient can be read off them; and batches for it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tutelage.core.batch import Batch, Samples


class LogitsTable(nn.Module):
    """Logits of image number i: row i of the table. The images hold nothing but their number."""

    def __init__(self, rows: int, num_classes: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(rows, num_classes, dtype=torch.float64))

    def fill(self, logits: np.ndarray) -> None:
        """Set the table, and forget its gradient."""
        self.table.data = torch.from_numpy(logits).clone()
        self.table.grad = None

    def forward(self, images: Tensor) -> Tensor:
        return self.table[images.flatten().long()]


def numbered_batch(label: np.ndarray, index: np.ndarray) -> Batch:
    """Labeled rows first, then the weak views of the unlabeled ones, then their strong views."""
    x, u = len(label), len(index)
    numbers = torch.arange(x + 2 * u, dtype=torch.float64).view(-1, 1, 1, 1)
    labeled, weak, strong = numbers.split([x, u, u])
    return Batch(
        Samples((labeled,), torch.arange(x), torch.from_numpy(label)),
        Samples((weak, strong), torch.from_numpy(index)),
    )
