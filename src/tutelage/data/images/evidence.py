"""What simple pixel statistics tell about the labels: where labeled images come from, and whether labels fit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tutelage.core.seeding import derived_seed
from tutelage.data.images.class_shares import class_weights
from tutelage.data.images.streamed import ImageRows

Rows = NDArray[np.int64]
MOST = 1000  # images that are used, of each group for the gap
LEAST_FOR_GAP = 10  # images per group, below which there is no result
LEAST_FOR_FIT = 30  # images, below which there is no result
FEW_LABELS = 100  # with fewer labels, correct ones of difficult images may teach as little as wrong ones
_AT_ONCE = 16  # images, so that their pixels stay near the processor
_GRID = 4  # cells per side of the coarse picture
_RIDGE = 1.0  # on standardized statistics, per image of the smaller group


@dataclass(frozen=True)
class Gap:
    """How well labeled and unlabeled images can be told apart.

    Attributes:
        auc: probability that an unlabeled image looks more unlabeled than a labeled one: 0.5 is no gap, 1 a clear one.
        limit: an AUC that two samples of these sizes from one source do not reach by chance, nor by a small difference.
        by_shares: there is a gap, and none once labeled images count so that their classes have the shares that suit
            the unlabeled ones best.
    """

    auc: float
    limit: float
    labeled: int
    unlabeled: int
    by_shares: bool = False


def measure_gap(
    images: ImageRows, labeled: Rows, unlabeled: Rows, *, seed: int, label: NDArray[np.int64] | None = None
) -> Gap | None:
    """How well a linear classifier of pixel statistics tells labeled from unlabeled rows of `images`.

    Each image is scored by a classifier fitted without it (ridge regression, leave-one-out in closed form, both groups
    weighted equally), so that a few images cannot be memorized. The features are brightness, contrast, edges and a
    4 x 4 picture of each channel: enough to notice another camera or subject, but not other classes of similar
    pictures.

    Args:
        images: (N, C, H, W) uint8.
        unlabeled: rows; those that are also labeled are left out.
        seed: selects images if there are more than 1,000 in a group.
        label: (N,) class of each image, to tell a gap from other shares of the classes.
    """
    own = [_some(labeled, seed), _some(np.setdiff1d(unlabeled, labeled), seed)]
    sizes = [len(rows) for rows in own]
    if min(sizes) < LEAST_FOR_GAP:
        return None
    features = pixel_features(images, np.concatenate(own))
    side = np.repeat([0.0, 1.0], sizes)
    auc, limit = _told_apart(features, side, np.full(sizes[0], 1.0 / sizes[0]))
    by_shares = False
    if auc > limit and label is not None:
        weight = class_weights(features[: sizes[0]], label[own[0]], features[sizes[0] :])
        even, bound = _told_apart(features, side, weight)
        by_shares = even <= bound
    return Gap(auc, limit, labeled=sizes[0], unlabeled=sizes[1], by_shares=by_shares)


def _told_apart(features: NDArray, side: NDArray, weight: NDArray) -> tuple[float, float]:
    """The AUC of the two sides, and its limit; `weight` of each image of the first sums to 1."""
    ones = int(side.sum())
    weights = np.concatenate([weight, np.full(ones, 1.0 / ones)])
    auc = _auc(_left_out_scores(features, side, weights), side, weight)
    effective = 1.0 / (weight**2).sum()  # so many images of equal weight would tell as much
    # the standard error of the AUC of two samples from one source
    error = math.sqrt((effective + ones + 1) / (12 * effective * ones))
    return auc, max(0.75, 0.5 + 4 * error)


def pixel_features(images: ImageRows, rows: Rows) -> NDArray[np.float64]:
    """(R, 23 C) statistics of some rows (R,) of images (N, C, H, W) uint8; only a few images are in memory at a time.

    They are mean, spread, quantiles, edges, and a coarse picture.
    """
    parts = [_features(images[rows[start : start + _AT_ONCE]]) for start in range(0, len(rows), _AT_ONCE)]
    return np.concatenate(parts) if parts else _features(images[:0])


def _features(images: np.ndarray) -> NDArray[np.float64]:
    pixels = images.astype(np.float64) / 255.0
    flat = pixels.reshape(*pixels.shape[:2], -1)
    edges = [np.abs(np.diff(pixels, axis=axis)).mean((2, 3)) for axis in (2, 3)]
    bands = [np.array_split(np.arange(size), _GRID) for size in pixels.shape[2:]]
    coarse = [pixels[:, :, a[:, None], b].mean((2, 3)) for a in bands[0] for b in bands[1]]
    quantiles = np.quantile(images.reshape(flat.shape), [0.1, 0.5, 0.9], axis=2) / 255.0
    return np.concatenate([flat.mean(2), flat.std(2), *quantiles, *edges, *coarse], axis=1)


def _some(rows: Rows, seed: int) -> Rows:
    if len(rows) <= MOST:
        return rows
    return np.sort(np.random.default_rng(derived_seed(seed, "gap")).choice(rows, MOST, replace=False))


def _left_out_scores(features: NDArray, side: NDArray, weight: NDArray) -> NDArray:
    """(N,) the score of each image by the ridge regression of +-1 on the others; weights sum to 1 on each side."""
    weight = weight * (0.5 * min(side.sum(), len(side) - side.sum()))
    mean = np.average(features, axis=0, weights=weight)
    spread = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weight))
    x = np.c_[(features - mean) / np.maximum(spread, 1e-9), np.ones(len(features))]
    target = 2.0 * side - 1.0
    inverse = np.linalg.inv(x.T @ (weight[:, None] * x) + _RIDGE * np.eye(x.shape[1]))
    fitted = x @ (inverse @ (x.T @ (weight * target)))
    leverage = weight * np.einsum("nd,de,ne->n", x, inverse, x)
    return (fitted - leverage * target) / np.maximum(1.0 - leverage, 1e-9)


def _auc(score: NDArray, side: NDArray, weight: NDArray) -> float:
    """How often the score of the second side is above that of the first, whose images have a weight."""
    zeros, ones = score[side == 0], np.sort(score[side == 1])
    above = 2 * len(ones) - np.searchsorted(ones, zeros, "left") - np.searchsorted(ones, zeros, "right")
    return float((weight * above).sum() / (2 * len(ones)))


@dataclass(frozen=True)
class LabelFit:
    """How often labeled images that look alike have the same label.

    Attributes:
        agreement: share of images whose nearest neighbor has their label.
        chance: the expected agreement of random labels.
        z: by how many standard errors the agreement is above chance.
    """

    agreement: float
    chance: float
    z: float
    images: int


def measure_label_fit(images: ImageRows, rows: Rows, label: NDArray[np.int64], *, seed: int) -> LabelFit | None:
    """How often the nearest neighbor of an image, by coarse pixel statistics, has the same label.

    Args:
        images: (N, C, H, W) uint8.
        rows: the labeled ones.
        label: (N,) class of each image.
        seed: selects rows if there are more than 1,000.
    """
    if len(rows) < LEAST_FOR_FIT:
        return None
    if len(rows) > MOST:
        draw = np.random.default_rng(derived_seed(seed, "label fit"))
        rows = rows[np.sort(draw.choice(len(rows), MOST, replace=False))]
    label, n = label[rows], len(rows)
    x = pixel_features(images, rows)
    x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-9)
    square = (x**2).sum(1)
    distance = square[:, None] + square - 2.0 * x @ x.T
    np.fill_diagonal(distance, np.inf)
    agreement = float((label[distance.argmin(1)] == label).mean())
    counts = np.bincount(label)
    chance = float((counts * (counts - 1)).sum() / (n * (n - 1)))
    error = math.sqrt(max(chance * (1.0 - chance), 1e-12) / n)
    return LabelFit(agreement, chance, (agreement - chance) / error, n)


def reached_by_chance(guess: float, labels: int, scored: int) -> float:
    """The accuracy that training on this many random labels seldom exceeds.

    The model: each labeled image, up to `FEW_LABELS`, decides the class of an equal share of the others, correctly with
    probability `guess`, and `scored` of those are scored. The result is two standard deviations above `guess`. More
    labels do not narrow it, since classifiers that cannot memorize random labels predict one class for whole regions.
    """
    votes = min(labels, FEW_LABELS)
    return guess + 2.0 * math.sqrt(guess * (1.0 - guess) * (1.0 / votes + 1.0 / scored))
