"""UDA's loss (arXiv:1904.12848, sections 2 and 3), row by row in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

Rows = Sequence[Sequence[float]]


def _probs(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    parts = [math.exp((z - max(logits)) / temperature) for z in logits]
    return [part / sum(parts) for part in parts]


def signal_threshold(schedule: str, step: int, total: int, num_classes: int) -> float:
    """eta_t = a_t (1 - 1 / K) + 1 / K."""
    share = step / total
    a = {"linear": share, "exp": math.exp((share - 1) * 5), "log": 1 - math.exp(-share * 5)}[schedule]
    return a * (1 - 1 / num_classes) + 1 / num_classes


def supervised_loss(labeled: Rows, labels: Sequence[int], limit: float | None) -> float:
    """The mean of -log p(y), with a limit over the rows whose p(y) is not above it."""
    right = [_probs(z)[y] for z, y in zip(labeled, labels, strict=True)]
    kept = [p for p in right if limit is None or p <= limit]
    return sum(-math.log(p) for p in kept) / max(len(kept), 1)


def consistency_loss(weak: Rows, strong: Rows, threshold: float, temperature: float) -> float:
    """The mean over all rows of KL(sharpened weak || strong) where the unsharpened weak prediction is confident."""
    total = 0.0
    for z_weak, z_strong in zip(weak, strong, strict=True):
        if max(_probs(z_weak)) >= threshold:
            target, p = _probs(z_weak, temperature), _probs(z_strong)
            total += sum(q * math.log(q / p_k) for q, p_k in zip(target, p, strict=True))
    return total / len(weak)
