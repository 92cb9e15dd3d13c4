"""Pseudo-Label's loss (Lee 2013), row by row in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

Rows = Sequence[Sequence[float]]


def _probs(logits: Sequence[float]) -> list[float]:
    parts = [math.exp(z - max(logits)) for z in logits]
    return [part / sum(parts) for part in parts]


def pseudo_label_loss(
    labeled: Rows, labels: Sequence[int], unlabeled: Rows, judged: Rows, *, threshold: float, weight: float
) -> float:
    """H(y, p(x)) plus weight times H(pseudo-label, p(u)), which counts where the confidence reaches the threshold.

    Args:
        judged: the logits of the same unlabeled rows that pseudo-labels are made from; they get no gradient.
    """
    supervised = sum(-math.log(_probs(z)[y]) for z, y in zip(labeled, labels, strict=True)) / len(labeled)
    total = 0.0
    for z, source in zip(unlabeled, judged, strict=True):
        q = _probs(source)
        if max(q) >= threshold:
            total -= math.log(_probs(z)[q.index(max(q))])
    return supervised + weight * total / len(unlabeled)
