"""FixMatch's loss from its algorithm 1, row by row in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence


def _probs(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    parts = [math.exp(z - top) for z in logits]
    return [part / sum(parts) for part in parts]


def fixmatch_loss(
    labeled: Sequence[Sequence[float]],
    labels: Sequence[int],
    weak: Sequence[Sequence[float]],
    strong: Sequence[Sequence[float]],
    *,
    threshold: float,
    unlabeled_weight: float,
    pseudo_from: Sequence[Sequence[float]] | None = None,
) -> float:
    """H(y, p(x)) over the labeled rows plus lambda_u times the masked H(q, p(strong u)) over all unlabeled rows.

    Args:
        pseudo_from: weak logits that decide the pseudo-labels, which get no gradient; None takes `weak`.
    """
    supervised = sum(-math.log(_probs(z)[y]) for z, y in zip(labeled, labels, strict=True)) / len(labeled)
    total = 0.0
    for source, z_strong in zip(weak if pseudo_from is None else pseudo_from, strong, strict=True):
        q = _probs(source)
        if max(q) >= threshold:
            total += -math.log(_probs(z_strong)[q.index(max(q))])
    return supervised + unlabeled_weight * total / len(strong)
