"""Projecting features to two dimensions: principal components, or UMAP if it is installed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

LEAST_FOR_UMAP = 30  # images
NEIGHBORS = 10  # nearest neighbors whose labels are compared with the label of an image


@dataclass(frozen=True)
class Projection:
    """Positions (n, 2), and a sentence about how they were computed."""

    places: NDArray[np.float64]
    how: str


def project(features: NDArray[np.float32], *, seed: int = 0) -> Projection:
    """Positions of images from their features (n, F), which are scaled to unit length as for the nearest neighbors.

    The sign of a principal component makes its largest weight positive. UMAP (McInnes et al. 2018, arXiv:1802.03426) is
    used if umap-learn is installed and there are at least 30 images.
    """
    rows = features.astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    if len(rows) >= LEAST_FOR_UMAP and find_spec("umap") is not None:
        return Projection(_umap(rows, seed), "UMAP keeps neighbors together; distances between groups mean little.")
    places, share = _principal(rows)
    return Projection(
        places,
        f"The first two principal components explain {100 * share:.0f}% of the variance of the unit-length features.",
    )


def _principal(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Positions on the first two components, and the share of the variance that they explain."""
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
        warnings.simplefilter("ignore")  # from its compiler
        from umap import UMAP

        neighbors = min(15, len(rows) - 1)
        made = UMAP(n_neighbors=neighbors, metric="cosine", random_state=seed, n_jobs=1).fit_transform(rows)
    return np.asarray(made, np.float64)


def neighbor_agreement(features: NDArray[np.float32], label: NDArray[np.int64]) -> tuple[float, float] | None:
    """The share of the ten nearest neighbors of a labeled image that have its label, and the share expected by chance.

    Neighbors are labeled images, by the cosine of all features and not by the position on a map. None if fewer than
    twelve images are labeled.

    Args:
        label: (n,), -1 for no label.
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
