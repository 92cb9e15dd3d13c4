"""The model that learns again after each answer: class probabilities of all images from the labels so far."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tutelage.core.seeding import generator
from tutelage.core.soft_head import fit_soft_head

_STEPS, _L2 = 150, 0.08


def class_probabilities(
    features: NDArray[np.float32], labels: NDArray[np.int64], num_classes: int, *, seed: int
) -> NDArray[np.float32] | None:
    """(N, K) probabilities of classes; 0 for a class without a label. None before two classes have one.

    Args:
        features: (N, D), rows of norm 1.
        labels: (N,), -1 where unknown.
    """
    seen, known = np.unique(labels[labels >= 0], return_inverse=True)
    if len(seen) < 2:
        return None
    rows = torch.from_numpy(features) * features.shape[1] ** 0.5
    labeled, unlabeled = (torch.from_numpy(np.flatnonzero(part)) for part in (labels >= 0, labels < 0))
    weight, bias = fit_soft_head(
        rows,
        labeled,
        torch.from_numpy(known),
        unlabeled if len(unlabeled) else labeled,
        len(seen),
        steps=_STEPS,
        l2=_L2,
        generator=generator(seed, "label", "head"),
    )
    probs = np.zeros((len(features), num_classes), np.float32)
    probs[:, seen] = (rows @ weight.T + bias).softmax(1).numpy()
    return probs
