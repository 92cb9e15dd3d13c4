"""SNTG, an addition to Pi-model, Temporal Ensembling and Mean Teacher: features of one class lie close together."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from tutelage.config.settings import require
from tutelage.core.errors import ConfigError
from tutelage.core.losses import neighbor_cost
from tutelage.core.precision import at_least_float32

Distance = Literal["mean", "sum"]
MARGIN: float = 1.0
DISTANCE: Distance = "mean"


def check_sntg(weight: float | None, margin: float, distance: Distance) -> None:
    """Check the settings `sntg_weight`, `sntg_margin` and `sntg_distance` of a method.

    Raises:
        ConfigError: one is out of range, or does nothing since there is no weight.
    """
    require(weight is None or weight > 0, "method.sntg_weight", "above 0, or none", weight)
    require(margin > 0, "method.sntg_margin", "above 0", margin)
    if weight is None and (margin, distance) != (MARGIN, DISTANCE):
        raise ConfigError("method.sntg_margin and method.sntg_distance do nothing without method.sntg_weight")


def sntg_loss(features: Tensor, label: Tensor | None, guess: Tensor, *, margin: float, distance: Distance) -> Tensor:
    """Scalar: the cost of neighbors (Luo et al. 2018, arXiv:1711.00258) averaged over B // 2 random pairs of rows.

    Two rows are neighbors if their labels are equal; a pair with an unknown label costs nothing. The rows are shuffled
    here, by the seed of the step: they come with the labeled ones first, so that the halves of the batch as it is would
    always pair the same streams. Under several processes each pairs its own rows.

    Args:
        features: (B, F) of the student.
        label: of the first rows; None if no row has one.
        guess: what the target takes the other rows for; -1 is unknown.
    """
    known = guess if label is None else torch.cat([label, guess])
    order = torch.rand(len(features), device=features.device).argsort()
    first, second = torch.split(order, len(order) // 2)[:2]  # an odd row is left over
    same, counts = known[first] == known[second], (known[first] >= 0) & (known[second] >= 0)
    features = at_least_float32(features)
    return (neighbor_cost(features[first], features[second], same, margin=margin, distance=distance) * counts).mean()
