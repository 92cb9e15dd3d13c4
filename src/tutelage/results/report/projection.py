"""From features to two numbers an image: principal components, or UMAP where it is installed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

LEAST_FOR_UMAP = 30  # images
NEIGHBORS = 10  # of an image, whose labels are compared with its own


@dataclass(frozen=True)
class Projection:
    """(n, 2) places, and a sentence on how they came about."""

    places: NDArray[np.float64]
    how: str


def project(features: NDArray[np.float32], *, seed: int = 0) -> Projection:
    """Places of images by their features (n, F) of unit length, so that near means alike for the nearest neighbors too.

    Principal components have the sign by which the feature that weighs most counts upwards. UMAP (McInnes et al. 2018,
    arXiv:1802.03426) is taken where umap-learn is installed and there are 30 images or more.
    """
    rows = features.astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    if len(rows) >= LEAST_FOR_UMAP and find_spec("umap") is not None:
        return Projection(_umap(rows, seed), "UMAP keeps neighbors together; distances between groups mean little.")
    places, share = _principal(rows)
    return Projection(
        places,
        f"The two principal components hold {100 * share:.0f} % of the variance of the features (unit length).",
    )


def _principal(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Places on the first two components, and the share of the variance that they hold."""
    centered = rows - rows.mean(0)
    total = float((centered**2).sum())
    wide = centered.shape[1] > len(centered)
    values, vectors = np.linalg.eigh(centered @ centered.T if wide else centered.T @ centered)  # the smaller of both
    order = np.argsort(values)[::-1][:2]
    axes = centered.T @ vectors[:, order] if wide else vectors[:, order]  # (F, up to 2)
    axes = axes / np.maximum(np.linalg.norm(axes, axis=0), 1e-12)
    axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(0)[None], axis=0))
    places = np.zeros((len(rows), 2))
    places[:, : axes.shape[1]] = centered @ axes
    return places, float(np.maximum(values[order], 0.0).sum()) / total if total > 0 else 0.0


def _umap(rows: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler that it brings
        from umap import UMAP

        neighbors = min(15, len(rows) - 1)
        made = UMAP(n_neighbors=neighbors, metric="cosine", random_state=seed, n_jobs=1).fit_transform(rows)
    return np.asarray(made, np.float64)


def neighbor_agreement(features: NDArray[np.float32], label: NDArray[np.int64]) -> tuple[float, float] | None:
    """How often one of the ten nearest neighbors of a labeled image has its label, and how often by chance.

    Neighbors are sought among the labeled images, by the cosine of all features, not by the two numbers of a map. None
    where fewer than twelve are labeled.

    Args:
        label: (n,), -1 where there is none.
    """
    rows, known = features[label >= 0].astype(np.float64), label[label >= 0]
    if len(rows) < NEIGHBORS + 2:
        return None
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    cosine = rows @ rows.T
    np.fill_diagonal(cosine, -np.inf)
    near = np.argpartition(-cosine, NEIGHBORS, axis=1)[:, :NEIGHBORS]
    counts = np.bincount(known).astype(float)
    chance = float((counts * (counts - 1)).sum() / (len(known) * (len(known) - 1)))
    return float((known[near] == known[:, None]).mean()), chance
