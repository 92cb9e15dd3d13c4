"""From class probabilities to targets: functions of probs (B, K) that more than one method uses.

The caller detaches: a target never gets a gradient.
"""

from __future__ import annotations

from torch import Tensor

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
