"""Choosing images to label, written row by row from the formulas."""

from __future__ import annotations

import math

import numpy as np


def typicality(features: np.ndarray, cluster: np.ndarray) -> list[float]:
    """Hacohen et al. 2022, equation 4: 1 / mean distance to the K nearest neighbors, here those within the cluster."""
    found = []
    for row, x in enumerate(features):
        size = sum(1 for k in cluster if k == cluster[row])
        others = [r for r in range(len(features)) if r != row and cluster[r] == cluster[row]]
        distances = sorted(math.dist(x, features[r]) for r in others)
        near = distances[: min(20, size // 2)]
        found.append(1.0 / (sum(near) / len(near) + 1e-5) if near else 0.0)
    return found


def visits(cluster: np.ndarray, score: np.ndarray, labeled: np.ndarray, count: int) -> list[int]:
    """The best unlabeled row of each cluster in turn; a cluster with fewer labels, or else more images, comes first."""
    left = {row for row in range(len(cluster)) if not labeled[row]}
    found: list[int] = []
    for outliers in (False, True):
        names = [k for k in set(cluster.tolist()) if (list(cluster).count(k) <= 5) == outliers]
        names.sort(key=lambda k: (sum(labeled[cluster == k]), -list(cluster).count(k), k))
        while any(cluster[row] in names for row in left):
            for k in names:
                own = sorted((-score[row], row) for row in left if cluster[row] == k)
                if own and len(found) < count:
                    found.append(own[0][1])
                if own:
                    left.remove(own[0][1])
    return found


def k_center(features: np.ndarray, labeled: np.ndarray, count: int) -> list[int]:
    """Sener and Savarese 2018, algorithm 1: u = argmax over the others of min over the chosen of the distance."""
    chosen = [row for row in range(len(features)) if labeled[row]]
    found: list[int] = []
    if not chosen:
        mean = features.mean(0)
        found.append(max(range(len(features)), key=lambda row: float(features[row] @ mean)))
    while len(found) < count:
        rest = [row for row in range(len(features)) if row not in chosen + found]
        found.append(max(rest, key=lambda row: min(math.dist(features[row], features[c]) for c in chosen + found)))
    return found


def margin(probs: np.ndarray) -> list[float]:
    """1 - (p1 - p2)."""
    return [1.0 - (sorted(row)[-1] - sorted(row)[-2]) for row in probs.tolist()]


def entropy(probs: np.ndarray) -> list[float]:
    """-sum p log p / log K."""
    return [-sum(p * math.log(p) for p in row if p > 0) / math.log(len(row)) for row in probs.tolist()]


def distinct(features: np.ndarray, labeled: np.ndarray, alike: float) -> list[bool]:
    """Rows that are kept: labeled ones, and others that are unlike all of these and all that are kept before."""
    kept = [row for row in range(len(features)) if labeled[row]]
    for row in range(len(features)):
        if row not in kept and all(float(features[row] @ features[other]) < alike for other in kept):
            kept.append(row)
    return [row in kept for row in range(len(features))]
