"""Which shares of the classes other images have, as far as the mean of their features tells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

_SUM = 100.0  # weight of the equation by which shares sum to 1


def class_weights(features: NDArray[np.float64], label: NDArray[np.int64], others: NDArray[np.float64]) -> NDArray:
    """(N,) weights of images, equal within a class and summing to 1, that bring their mean closest to that of `others`.

    This is the least-squares estimate of a shift of labels (Lipton et al. 2018, arXiv:1802.03916, with features in
    place of predictions).

    Args:
        features: (N, D).
        label: (N,) classes.
        others: (M, D) features of images whose class is unknown.
    """
    spread = np.maximum(np.concatenate([features, others]).std(0), 1e-9)
    classes, index, counts = np.unique(label, return_inverse=True, return_counts=True)
    means = np.stack([features[index == place].mean(0) / spread for place in range(len(classes))], axis=1)  # (D, K)
    left = np.vstack([means, np.full((1, len(classes)), _SUM)])
    shares, _ = nnls(left, np.append(others.mean(0) / spread, _SUM))
    total = shares.sum()
    if not total:
        return np.full(len(label), 1.0 / len(label))
    return (shares / total / counts)[index]
