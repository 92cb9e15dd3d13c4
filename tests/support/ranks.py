"""Training of every method by two processes, and the same by one: what `test_ranks.py` compares.

As a script it is one of the two processes: `ranks.py FOLDER RANK`. The network has no batch norm and no dropout, since
their statistics and draws are those of a process.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tutelage.core.batch import Batch, Progress, Samples, StepOutput
from tutelage.core.distributed import data_parallel, leave_group
from tutelage.core.feature_bank import FeatureBank
from tutelage.methods import METHODS
from tutelage.methods.base import Method, Problem
from tutelage.networks.base import Network
from tutelage.networks.staged import StagedNetwork
from tutelage.tasks.classification import Classification

K, X, U, ROWS, STEPS, SIDE = 3, 4, 6, 20, 6, 4
PROBLEM = Problem(
    num_classes=K,
    train_rows=ROWS,
    labeled_rows=8,
    unlabeled_rows=ROWS,
    labeled_batch=X,
    unlabeled_batch=U,
    labeled_counts=(3, 3, 2),
)


@dataclass(frozen=True)
class Case:
    """A method with settings. `why_halves` says why two processes on halves differ from one on the whole batch."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    why_halves: str | None = None

    def __str__(self) -> str:
        return "-".join([self.name, *self.settings])

    @property
    def method(self) -> type[Method]:
        return next(method for method in METHODS if method.name == self.name)


OF_IMAGES = tuple(method for method in METHODS if method.tasks != ("segmentation",))
"""What learns from whole images. In the others' loss Dice takes the patches of a process together."""
MIXES = "a row is mixed with another one of its own process"
WEIGHTED = "the mean of a process is over the class weights of its own rows"
PAIRS = "pairs of rows are drawn among those of a process"
THRESHOLD = 0.4  # which the predictions of this network reach for some rows
SPECIAL = {
    "mixmatch": Case("mixmatch", why_halves=MIXES),
    "remixmatch": Case("remixmatch", why_halves=MIXES),
    "freematch": Case("freematch", {"fairness_weight": 0.5, "threshold_decay": 0.8}),
    "moco-v1": Case("moco-v1", {"queue_size": 16}),
    "moco-v2": Case("moco-v2", {"queue_size": 16}),
    "hybridnet": Case("hybridnet", {"intermediate_weight": None}),  # decoded maps go through batch norm
}


def usual(method: type[Method]) -> Case:
    """The settings that the method is compared with first; some pseudo-labels pass."""
    settings = {"threshold": THRESHOLD} if "threshold" in method.Config.__dataclass_fields__ else {}
    return SPECIAL.get(method.name, Case(method.name, settings))


CASES = [
    *map(usual, OF_IMAGES),
    Case("softmatch", {"alignment": "labeled", "statistics_decay": 0.5}),
    Case("linear", {"class_weights": "balanced"}, WEIGHTED),
    Case("label-propagation", {"class_mass": "uniform", "neighbors": 3}),
    Case("prototypes", {"rounds": 1, "neighbor_share": 0.5, "neighbors": 3}),
    Case("uda", {"signal_annealing": "linear", "threshold": THRESHOLD}),
    Case("moco-v2", {"queue_size": 16, "symmetric": True}),
    Case("moco-v2", {"queue_size": 16, "shuffle": False}),
    *(Case(name, {"sntg_weight": 0.5}, PAIRS) for name in ("pi-model", "temporal-ensembling", "mean-teacher")),
]


class Plain(StagedNetwork):
    """What a row gives depends on no other row."""

    channels = (1, 6)

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.Tanh())
        self.head = nn.Linear(6, K)

    def stages(self, images: Tensor) -> list[Tensor]:
        return [self.body(images)]


class PlainHead(Network):
    """The same for cached features."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(SIDE, K)

    def features(self, images: Tensor) -> Tensor:
        return images


def build(case: Case) -> Method:
    torch.manual_seed(0)
    student = PlainHead() if case.method.needs_features else Plain()
    student.head.weight.data *= 6.0  # so that predictions differ
    method = case.method(student, Classification("abc"), PROBLEM, case.method.Config(**case.settings)).train()
    if case.method.needs_features:
        features, label = torch.randn(ROWS, SIDE), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
        method.prepare(FeatureBank(features, torch.arange(PROBLEM.labeled_rows), label, torch.arange(ROWS)))
    return method


def whole_batch(method: Method, step: int) -> Batch:
    draw = torch.Generator().manual_seed(step)
    shape = (SIDE,) if method.needs_features else (1, SIDE, SIDE)

    def stream(rows: int, views: tuple[str, ...], label: Tensor | None) -> Samples | None:
        made = tuple(2.0 * torch.randn(rows, *shape, generator=draw) for _ in views)
        return Samples(made, torch.randint(ROWS, (rows,), generator=draw), label) if views else None

    label = torch.randint(K, (X,), generator=draw)
    return Batch(stream(X, method.labeled_views, label), stream(U, method.unlabeled_views, None))


def share(batch: Batch, rank: int) -> Batch:
    """Every second row, as `tutelage.core.distributed.local_rows` deals them out."""

    def part(samples: Samples | None) -> Samples | None:
        if samples is None:
            return None
        views = tuple(view[rank::2] for view in samples.views)
        label = None if samples.label is None else samples.label[rank::2]
        return replace(samples, views=views, index=samples.index[rank::2], label=label)

    return Batch(part(batch.labeled), part(batch.unlabeled))


def forward(model: nn.Module, batch: Batch, step: int, rank: int) -> StepOutput:
    """The output of a process, with its own random numbers."""
    torch.manual_seed(100 * step + rank)
    out: StepOutput = model(batch, Progress(step, STEPS))
    return out


def train(method: Method, outputs: Any) -> dict[str, Tensor]:
    """The state after some steps; `outputs(step)` is what to minimize and to remember."""
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.2, momentum=0.9)
    for step in range(STEPS):
        out = outputs(step)
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
        if method.teacher is not None:
            method.teacher.update(method.student, step + 1)
        method.remember(out)
    return method.state_dict()


def by_one(case: Case) -> dict[str, Tensor]:
    """One process on the whole batch."""
    method = build(case)
    return train(method, lambda step: forward(method, whole_batch(method, step), step, 0))


def by_halves(case: Case) -> dict[str, Tensor]:
    """One process that takes both halves in turn, as two would: the mean of the losses, the rows of both remembered."""
    method = build(case)

    def outputs(step: int) -> StepOutput:
        batch = whole_batch(method, step)
        first, second = (forward(method, share(batch, rank), step, rank) for rank in (0, 1))
        keep = {name: together(name, first.keep[name], second.keep[name]) for name in first.keep}
        return StepOutput((first.loss + second.loss) / 2, {}, keep)

    return train(method, outputs)


def together(name: str, first: Tensor, second: Tensor) -> Tensor:
    """What two processes keep: rows are dealt out in turn, and statistics ("predicted") averaged."""
    return (first + second) / 2 if name == "predicted" else torch.stack([first, second], 1).flatten(0, 1)


def by_two(case: Case, rank: int) -> dict[str, Tensor]:
    """One of two processes on its half."""
    method = build(case)
    model = data_parallel(method, torch.device("cpu"))
    return train(method, lambda step: forward(model, share(whole_batch(method, step), rank), step, rank))


if __name__ == "__main__":
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=number, world_size=2)
    states = {}
    for one in CASES:
        try:
            states[str(one)] = by_two(one, number)
        except Exception as error:
            raise RuntimeError(f"{one}, process {number}") from error
    torch.save(states, folder / f"{number}.pt")
    leave_group()
