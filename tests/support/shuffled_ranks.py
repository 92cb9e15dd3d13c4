"""MoCo with batch norm by two processes, and by one whose batch norm has two parts: for `test_shuffled_ranks.py`.

As a script it is one of the two processes: `shuffled_ranks.py FOLDER RANK`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tutelage.core.batch import Batch, Progress, Samples, StepOutput
from tutelage.core.distributed import data_parallel, leave_group
from tutelage.methods.base import Problem
from tutelage.methods.moco import MoCoV2
from tutelage.networks.base import Network
from tutelage.networks.split_batch_norm import split_batch_norm
from tutelage.tasks.representation import Representation

U, STEPS = 8, 4
PROBLEM = Problem(
    num_classes=0,
    train_rows=20,
    labeled_rows=0,
    unlabeled_rows=20,
    labeled_batch=U,
    unlabeled_batch=U,
    labeled_counts=(),
)


class Normed(Network):
    """Two convolutions with batch norm after each."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 6, 3),
            nn.BatchNorm2d(6),
            nn.Tanh(),
        )
        self.head = nn.Linear(6, 1)

    def features(self, images: Tensor) -> Tensor:
        return self.body(images).mean((2, 3))


def train(*, splits: int, rank: int | None, **settings: Any) -> dict[str, Tensor]:
    """Losses, queue and weights after some steps: on the whole batch, or on every second row as one of two ranks."""
    torch.manual_seed(0)
    student = Normed()
    split_batch_norm(student, splits)
    method = MoCoV2(student, Representation(()), PROBLEM, MoCoV2.Config(queue_size=20, ema_decay=0.8, **settings))
    method = method.double().train()
    model = method if rank is None else data_parallel(method, torch.device("cpu"))
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.2, momentum=0.9)
    losses = []
    for step in range(STEPS):
        draw = torch.Generator().manual_seed(step)
        views = [torch.randn(U, 1, 5, 5, generator=draw, dtype=torch.float64) for _ in range(2)]
        part = slice(None) if rank is None else slice(rank, None, 2)
        samples = Samples(tuple(view[part] for view in views), torch.arange(U)[part])
        torch.manual_seed(100 * step + (rank or 0))
        out: StepOutput = model(Batch(None, samples), Progress(step, STEPS))
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
        method.teacher.update(method.student, step + 1)
        method.remember(out)
        losses.append(out.loss.detach())
    state = {name: value for name, value in method.state_dict().items() if "running" not in name}
    return state | {"losses": torch.stack(losses)}


CASES: dict[str, dict[str, Any]] = {
    "shuffled": {},
    "symmetric": {"symmetric": True},
    "unshuffled": {"shuffle": False},
}

if __name__ == "__main__":
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=number, world_size=2)
    torch.save({name: train(splits=1, rank=number, **case) for name, case in CASES.items()}, folder / f"{number}.pt")
    leave_group()
