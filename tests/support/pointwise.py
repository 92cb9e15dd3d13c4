"""The smallest network for segmentation, and how a loss on it is compared with a formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reference.losses import gradient
from tutelage.core.batch import Batch, Progress, Samples
from tutelage.methods.base import Method, Problem
from tutelage.networks.dense import DenseNetwork
from tutelage.tasks.segmentation import Segmentation

K, X, U, SIDE, TOTAL = 3, 2, 2, (2, 3, 2), 10
PROBLEM = Problem(
    num_classes=K,
    train_rows=10,
    labeled_rows=4,
    unlabeled_rows=10,
    labeled_batch=X,
    unlabeled_batch=U,
    labeled_counts=(4, 4, 4),
)


class Pointwise(DenseNetwork):
    """Logits at a voxel are a matrix times its two channels; with deep supervision by a second matrix too."""

    divisor = (1, 1, 1)

    def __init__(self, *, deep_supervision: bool = False) -> None:
        super().__init__()
        self.deep_supervision = deep_supervision
        self.head = nn.Conv3d(2, K, 1)
        self.coarse_head = nn.Conv3d(2, K, 1) if deep_supervision else None

    def features(self, images: Tensor) -> Tensor:
        return images

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        return (self(images),) if self.coarse_head is None else (self(images), self.coarse_head(images))


def build(method: type[Method], *, deep_supervision: bool = False, **settings: Any) -> tuple[Method, Batch]:
    torch.manual_seed(0)
    task = Segmentation("abc", patch_size=SIDE)
    made = method(Pointwise(deep_supervision=deep_supervision), task, PROBLEM, method.Config(**settings)).double()
    if made.teacher is not None:
        for p in made.teacher.network.parameters():
            p.add_(torch.randn_like(p))
    draw = torch.Generator().manual_seed(1)
    views = [torch.randn(rows, 2, *SIDE, dtype=torch.float64, generator=draw) for rows in (X, X, U, U)]
    label = torch.randint(-1, K, (X, *SIDE), generator=draw)
    count = len(method.labeled_views)
    unlabeled = Samples(tuple(views[2 : 2 + count]), torch.arange(U))
    return made, Batch(Samples(tuple(views[:count]), torch.arange(X), label), unlabeled)


def logits_of(images: Tensor, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return np.einsum("kc,bcxyz->bkxyz", weight[:, :, 0, 0, 0], images.numpy()) + bias[None, :, None, None, None]


def compare(method: Method, batch: Batch, step: int, naive: Callable[[list[np.ndarray]], float]) -> None:
    """`naive` maps the parameters that are trained, in their order, to the loss."""
    torch.manual_seed(5)
    out = method(batch, Progress(step, TOTAL))
    out.loss.backward()
    trained = [p for p in method.parameters() if p.requires_grad]
    values = [p.detach().numpy().copy() for p in trained]
    assert float(out.loss.detach()) == pytest.approx(naive(values), rel=2e-6)  # losses are float32 sums
    for number, parameter in enumerate(trained):

        def loss_of(value: np.ndarray, number: int = number) -> float:
            return naive([*values[:number], value, *values[number + 1 :]])

        assert parameter.grad is not None
        np.testing.assert_allclose(parameter.grad.numpy(), gradient(loss_of, values[number]), rtol=2e-4, atol=2e-6)


def sigmoid(step: float, length: float) -> float:
    return math.exp(-5 * (1 - min(step, length) / length) ** 2)
