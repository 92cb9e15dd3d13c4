"""Turns class probabilities (B, K) into targets, for more than one method.

The caller detaches: no gradient should flow into a target.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tutelage.core.distributed import mean_of_ranks

_TINY = 1e-6  # added to both frequencies, as in ReMixMatch's code, in case a class is never predicted


def sharpen(probs: Tensor, temperature: float) -> Tensor:
    """(B, K): p^(1 / T) / sum p^(1 / T), closer to one-hot for a `temperature` T below 1 (MixMatch, arXiv:1905.02249).

    Computed in log space, so that small probabilities and temperatures do not underflow.
    """
    return (probs.log() / temperature).softmax(1)


def align(probs: Tensor, target: Tensor, running: Tensor) -> Tensor:
    """(B, K): p target / running, normalized to sum to 1 (distribution alignment; ReMixMatch, arXiv:1911.09785).

    Args:
        target: (K,) class frequencies that the predictions should have.
        running: (K,) their recent class frequencies.
    """
    weighted = probs * ((target + _TINY) / (running + _TINY))
    return weighted / weighted.sum(1, keepdim=True)


def moved_towards(average: Tensor, value: Tensor, share: float) -> Tensor:
    """A moving average after one more value, which counts for `share`: (1 - share) average + share value."""
    return average.lerp(value.to(average.dtype), share)


class Alignment(nn.Module):
    """Aligns predictions with the class frequencies of the labels, using the mean prediction of recent steps.

    Args:
        labeled_counts: labeled images per class.
        steps: number of steps to remember; 0 turns alignment off.
    """

    target: Tensor
    predicted: Tensor

    def __init__(self, labeled_counts: Sequence[int], steps: int) -> None:
        super().__init__()
        counts = torch.tensor(labeled_counts, dtype=torch.float32)
        self.register_buffer("target", counts / counts.sum(), persistent=False)
        uniform = torch.full((steps, len(counts)), 1 / len(counts))
        self.register_buffer("predicted", uniform)  # one row per remembered step, oldest first

    def forward(self, probs: Tensor) -> Tensor:
        """(B, K): `probs`, aligned; unchanged if alignment is off."""
        return align(probs, self.target, self.predicted.mean(0)) if len(self.predicted) else probs

    def remember(self, mean: Tensor) -> None:
        """Replace the oldest step by the mean prediction (K,) of this step's unlabeled images, over all ranks."""
        if len(self.predicted):
            newest = mean_of_ranks(mean)[None].to(self.predicted)
            self.predicted.copy_(torch.cat([self.predicted, newest])[1:])


def class_weights(counts: Tensor) -> Tensor:
    """(K,) n / (classes with labels * n_k) for labels per class `counts` (K,): all classes weigh alike; 0 without."""
    present = counts > 0
    return torch.where(present, counts.sum() / (present.sum() * counts.clamp_min(1)), 0.0)
