"""How good a network is on decoded images with labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tutelage.data.loader import Normalization
from tutelage.tasks.base import Task


def predict_rows(
    network: nn.Module,
    task: Task,
    images: np.ndarray,
    rows: np.ndarray,
    *,
    normalization: Normalization,
    device: torch.device,
    batch: int = 256,
    check: Callable[[], None] = lambda: None,
) -> Tensor:
    """(len(rows), K) float32 on the CPU: class probabilities of some rows of `images` (N, C, H, W) uint8.

    Args:
        check: called before each batch; it may raise to end early.
    """
    parts = []
    for start in range(0, len(rows), batch):
        check()
        pixels = torch.from_numpy(np.ascontiguousarray(images[rows[start : start + batch]]))
        parts.append(task.predict(network, normalization(pixels.to(device))).float().cpu())
    return torch.cat(parts) if parts else torch.zeros(0, len(task.classes))


def score_rows(
    network: nn.Module,
    task: Task,
    images: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    *,
    normalization: Normalization,
    device: torch.device,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """The task's metrics on some rows; `labels` (N,) int64 belongs to `images`."""
    probs = predict_rows(network, task, images, rows, normalization=normalization, device=device, check=check)
    return score_probs(task, probs, labels[rows])


def score_probs(task: Task, probs: Tensor, labels: np.ndarray) -> dict[str, Any]:
    """The task's metrics of predictions `probs` (N, K); `labels` (N,) int64."""
    metrics = task.metrics()
    metrics.update(probs, torch.from_numpy(labels))
    return metrics.compute()
