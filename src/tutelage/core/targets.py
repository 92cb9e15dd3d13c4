"""From class probabilities to targets: functions of probs (B, K) that more than one method uses.

The caller detaches: a target never gets a gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tutelage.core.distributed import mean_of_ranks

_TINY = 1e-6  # added to both frequencies, as ReMixMatch's code does: a class that is never predicted divides by no zero


def sharpen(probs: Tensor, temperature: float) -> Tensor:
    """(B, K): p^(1 / T) / sum p^(1 / T), nearer to one-hot for a `temperature` T below 1 (MixMatch, arXiv:1905.02249).

    Taken of logarithms, so that no power underflows for small probabilities and temperatures.
    """
    return (probs.log() / temperature).softmax(1)


def align(probs: Tensor, target: Tensor, running: Tensor) -> Tensor:
    """(B, K): p target / running, made to sum to 1 again (distribution alignment; ReMixMatch, arXiv:1911.09785).

    Args:
        target: (K,) class frequencies that the predictions should have.
        running: (K,) class frequencies that they have had of late.
    """
    weighted = probs * ((target + _TINY) / (running + _TINY))
    return weighted / weighted.sum(1, keepdim=True)


def moved_towards(average: Tensor, value: Tensor, share: float) -> Tensor:
    """A moving average after one more value, which counts for `share`: (1 - share) average + share value."""
    return average.lerp(value.to(average.dtype), share)


class Alignment(nn.Module):
    """Aligns predictions with the class frequencies of the labels, by the mean prediction of the last steps.

    Args:
        labeled_counts: labeled rows of each class.
        steps: how many steps are remembered; 0 aligns nothing.
    """

    target: Tensor
    predicted: Tensor

    def __init__(self, labeled_counts: Sequence[int], steps: int) -> None:
        super().__init__()
        counts = torch.tensor(labeled_counts, dtype=torch.float32)
        self.register_buffer("target", counts / counts.sum(), persistent=False)
        uniform = torch.full((steps, len(counts)), 1 / len(counts))
        self.register_buffer("predicted", uniform)  # a row for each remembered step, the oldest first

    def forward(self, probs: Tensor) -> Tensor:
        """(B, K): `probs` aligned, or as they are where nothing is remembered."""
        return align(probs, self.target, self.predicted.mean(0)) if len(self.predicted) else probs

    def remember(self, mean: Tensor) -> None:
        """Put the mean prediction (K,) of the unlabeled rows of a step, of all ranks, in the place of the oldest."""
        if len(self.predicted):
            newest = mean_of_ranks(mean)[None].to(self.predicted)
            self.predicted.copy_(torch.cat([self.predicted, newest])[1:])
