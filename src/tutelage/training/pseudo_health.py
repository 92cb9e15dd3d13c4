"""How many pseudo-labels there are, of which classes, and how many are right: counted on the device, then logged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tutelage.core.batch import PseudoLabels
from tutelage.training.streak import ALARM_LINES, streak

TALLY = "pseudo_labels"  # the name of these counts in `StepOutput.log`
_WARMUP = 0.1  # share of training without alarms: at first, pseudo-labels are few and one-sided in healthy runs too
_EMPTY = 1e-3  # a mean weight below this counts as zero
_DOMINANT = 0.6  # alarm at this fraction of the way from a class's share of the labels to 100%


def tally(pseudo: PseudoLabels, truth: Tensor | None, num_classes: int) -> Tensor:
    """(4, K) float64 on the device, counted per assigned class.

    The four counts: images; their weight; the weight of those whose true class is known; the weight of those whose
    true class is the assigned one.

    Args:
        truth: (B_u,) int64, the true class of each image, -1 where unknown.
    """
    weight = pseudo.weight.detach().double()
    known = torch.zeros_like(weight) if truth is None else weight * (truth >= 0)
    right = torch.zeros_like(weight) if truth is None else weight * (truth == pseudo.label)
    columns = torch.stack([torch.ones_like(weight), weight, known, right])
    counts = columns.new_zeros(4, num_classes)
    return counts.index_add_(1, pseudo.label, columns)


def health(counts: Tensor) -> dict[str, float | list[float]]:
    """The values of a log line, from the sum or mean of several tallies.

    Returns:
        pseudo/share: mean weight of an unlabeled image; with a threshold, the share of images above it.
        pseudo/entropy: entropy of the classes of the pseudo-labels by weight, divided by log K: 1 if all classes are
            equally common, 0 if there is only one. This and the following are absent if all weights are zero.
        pseudo/class_share: for each class, its share of the weight.
        pseudo/accuracy: of the weight whose true class is known, the share that is right; absent if none is known.
        pseudo/known: share of the weight whose true class is known.
    """
    rows, weight, known, right = counts.double().cpu().unbind(0)
    total = float(weight.sum())
    figures: dict[str, float | list[float]] = {"pseudo/share": total / max(float(rows.sum()), 1e-12)}
    if total > 0:
        share = weight / total
        figures["pseudo/entropy"] = float(torch.special.entr(share).sum()) / math.log(len(share))
        figures["pseudo/class_share"] = share.tolist()
        if float(known.sum()) > 0:
            figures["pseudo/accuracy"] = float(right.sum() / known.sum())
            figures["pseudo/known"] = float(known.sum()) / total
    return figures


def alarm(
    rows: Sequence[Mapping[str, Any]], *, total: int, classes: Sequence[str], labeled_counts: Sequence[int]
) -> str | None:
    """What is wrong with the pseudo-labels, with advice, or None.

    Args:
        rows: the training lines of metrics.jsonl so far; those of `streak` decide.
        total: number of optimizer steps.
        labeled_counts: labeled images per class.
    """
    last = streak(rows, total)
    if len(last) < ALARM_LINES or last[0]["step"] < _WARMUP * total or any("pseudo/share" not in row for row in last):
        return None
    if all(row["pseudo/share"] < _EMPTY for row in last):
        return (
            "pseudo-labels: almost no unlabeled image passes the threshold, so the unlabeled data teach nothing. "
            "Lower method.threshold, train longer, or label more"
        )
    if any("pseudo/class_share" not in row for row in last):
        return None
    for number, name in enumerate(classes):
        expected = labeled_counts[number] / max(sum(labeled_counts), 1)
        limit = expected + _DOMINANT * (1.0 - expected)
        if all(row["pseudo/class_share"][number] > limit for row in last):
            share = last[-1]["pseudo/class_share"][number]
            return (
                f"pseudo-labels: {share:.0%} of them are '{name}', which has {expected:.0%} of the labels: one class "
                "takes over. Try a higher method.threshold, a smaller method.unlabeled_weight or optimizer.lr, or a "
                "method that adapts to each class (flexmatch, freematch, softmatch)"
            )
    return None
